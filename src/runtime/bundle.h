/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A bundle: a folder with config.json (OCI runtime-spec 1.3, its `vm` object and our `vm.devices`), kernel and
 * images. Portable: it names what the guest needs and no host path outside itself. man/busbar-bundle.5 is the
 * format's reference, schemas/bundle.schema.json its schema.
 *
 * Two steps, so that the text alone can be checked (and fuzzed): bundle_parse() takes the text to a struct whose
 * paths are as written; bundle_load() also finds the files. What was looked up is not kept open: whoever may write to
 * the bundle can still replace a file before a server opens it, so a bundle belongs to who runs it.
 *
 * Ownership: every string is the bundle's own; bundle_free() frees all. Immutable after loading.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json-fields.h"
#include "platform/machine.h"

#define BUNDLE_CONFIG_MAX_BYTES (1U << 20)
#define BUNDLE_DEVICES_MAX 64
/* Longest name of a machine's device, a network or a device in a plan, without the end. */
#define BUNDLE_ID_MAX FIELDS_NAME_MAX

/* Displays of one gpu: VIRTIO 1.4, 5.7.6.7 (VIRTIO_GPU_MAX_SCANOUTS). */
#define BUNDLE_SCANOUTS_MAX 16

enum input_kind { INPUT_TOUCH, INPUT_KEYBOARD, INPUT_POINTER, INPUT_ROTARY };

struct bundle_device {
        char *id; /* unique in the bundle; letters, digits, '-', '_' */
        enum device_type type;
        enum device_transport transport;
        bool packed;
        uint16_t queue_size; /* a power of two */
        uint16_t n_queues;   /* blk: request queues; net: queue pairs; else 1 */
        unsigned line;       /* in config.json, for errors found later */

        char *image;    /* blk: absolute, without symlinks, once loaded */
        char *serial;   /* blk: at most 20 bytes; NULL if not given */
        bool read_only; /* blk */

        char *network; /* net */
        bool has_mac;  /* net */
        uint8_t mac[6];

        uint64_t bytes_per_second; /* rng: 0 is unlimited */

        char **displays; /* gpu: its scanouts in this order; input: the one whose input it gets */
        size_t n_displays;
        bool render_3d;       /* gpu */
        enum input_kind kind; /* input */

        char *audio; /* sound */
};

struct bundle {
        char *path; /* of the folder: absolute, without symlinks; NULL if only parsed */
        char *name; /* hostname of the config, or else the folder's name */
        enum machine_arch arch;
        unsigned n_vcpus;
        uint64_t memory_bytes;
        char *kernel, *initrd, *parameters; /* NULL where absent */
        char *firmware;                     /* NULL where absent; either this or a kernel is there */
        char *device_tree;                  /* NULL where absent */
        struct bundle_device *devices;      /* `vm.image` comes first, as device "image" */
        size_t n_devices;
        char *annotations; /* OCI annotations as one JSON object, for `state`; NULL where absent */
};

/**
 * bundle_parse() - check the text of a config.json
 * @file:      its name, for errors only
 * @ret_error: on failure "file:line: member: expected ..., got ..."; owned by the caller
 *
 * Return: 0; -EINVAL if the text is not a valid bundle; -ENOMEM.
 */
int bundle_parse(const char *file, const char *text, size_t n, struct bundle **ret, char **ret_error);

/**
 * bundle_load() - read a bundle from its folder
 *
 * Every file that it names is looked up below the folder by the kernel itself (openat2(2), RESOLVE_BENEATH), must be
 * a regular file and becomes an absolute path without symlinks.
 *
 * Return: 0; -EINVAL if something in or named by config.json is wrong, another negative errno if the bundle cannot be
 * read; both with *ret_error set. -ENOMEM without.
 */
int bundle_load(const char *path, struct bundle **ret, char **ret_error);

struct bundle *bundle_free(struct bundle *b);

static inline void bundle_freep(struct bundle **b)
{
        *b = bundle_free(*b);
}

/* The device with this id, or NULL. */
const struct bundle_device *bundle_find_device(const struct bundle *b, const char *id);
