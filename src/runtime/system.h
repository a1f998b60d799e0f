/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A system: which bundles run on this host, and what on it answers the names that they use. Not portable, and the
 * only place where hosts differ. man/busbar-system.5 is the format's reference, schemas/system.schema.json its schema.
 *
 * Ownership: every string is the system's own; system_free() frees all. Immutable after loading.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scene/scene.h"

struct bundle;

#define SYSTEM_CONFIG_MAX_BYTES (1U << 20)
#define SYSTEM_MACHINES_MAX 64
#define SYSTEM_NETWORKS_MAX 64

enum system_uplink {
        UPLINK_NONE, /* guests reach each other only */
        UPLINK_USER, /* user-mode network address translation */
        UPLINK_TAP,  /* an existing tap interface */
};

enum system_restart {
        RESTART_NEVER,
        RESTART_ON_FAILURE, /* the guest panicked or crashed, or its monitor failed */
        RESTART_ALWAYS,     /* also after it powered off by itself */
};

struct system_network {
        char *name;
        enum system_uplink uplink;
        char *tap;     /* UPLINK_TAP: the interface */
        uint16_t vlan; /* of every guest on it, on this switch; 0: none */
};

/* Where a console of a machine goes, beside the socket of `busbar console`. */
struct system_console {
        char *device;       /* its id in the bundle */
        bool no_log;        /* "log": false */
        char *log;          /* absolute; NULL: in the machine's own folder */
        uint64_t log_bytes; /* of one log file; it is rotated when it gets larger */
        unsigned n_logs;    /* files kept, the current one included */
        bool pty;
};

struct system_machine {
        char *name;
        char *bundle_path;     /* absolute */
        struct bundle *bundle; /* NULL if only parsed */
        char *platform;        /* "auto", "qemu" ... */
        enum system_restart restart;
        char *parameters; /* appended to the kernel's command line; NULL where absent */
        char **depends_on; /* names of machines that start before it */
        size_t n_depends_on;
        struct system_console *consoles;
        size_t n_consoles;
        unsigned line; /* in the file, for errors found later */
};

struct system {
        char *path; /* of the file: absolute; as given if only parsed */
        char *name; /* the file's name without ".json" */
        char *dir;  /* of the file, without a slash at its end; NULL if the path says none */
        struct system_network *networks;
        size_t n_networks;
        struct scene scene;
        struct system_machine *machines; /* in the order of the file */
        size_t n_machines;
};

/**
 * system_parse() - check the text of a system file
 * @file:      its path: for errors, and what relative paths are relative to
 * @ret_error: on failure "file:line: member: expected ..., got ..."; owned by the caller
 *
 * Also checks that dependencies name machines and have no cycle.
 *
 * Return: 0; -EINVAL if the text is not a valid system; -ENOMEM.
 */
int system_parse(const char *file, const char *text, size_t n, struct system **ret, char **ret_error);

/**
 * system_load() - read a system file and all bundles that it names
 *
 * Also checks that every network, display and audio that a bundle uses is there, and that every console bound is a
 * console.
 *
 * Return: 0; a negative errno with *ret_error set.
 */
int system_load(const char *path, struct system **ret, char **ret_error);

/**
 * system_check_scene() - does what its bundles show, hear and are told fit the scene?
 *
 * Every display and audio that they name is there; a display is one guest's, and so is each kind of its input, which
 * goes to the guest that is seen there.
 *
 * Return: 0; -EINVAL or -ENOMEM with *ret_error set. For system_load().
 */
int system_check_scene(const struct system *s, char **ret_error);

struct system *system_free(struct system *s);

static inline void system_freep(struct system **s)
{
        *s = system_free(*s);
}

const struct system_network *system_find_network(const struct system *s, const char *name);
const struct system_machine *system_find_machine(const struct system *s, const char *name);
