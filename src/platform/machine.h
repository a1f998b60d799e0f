/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Machine description: one bundle bound to one host, everything resolved. The runtime makes it from a bundle
 * and a system; a platform brings it up. It holds no fd and names no backend: to a platform a device is a
 * vhost-user socket, whatever serves it.
 *
 * Ownership: every string is the machine's own; machine_deinit() frees all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum machine_arch { ARCH_X86_64, ARCH_AARCH64 };
enum device_type { DEVICE_BLK, DEVICE_NET, DEVICE_RNG, DEVICE_CONSOLE, DEVICE_GPU, DEVICE_INPUT, DEVICE_SOUND };
enum device_transport { TRANSPORT_PCI, TRANSPORT_MMIO };

struct machine_device {
        char *id; /* of the bundle, unique in the machine */
        enum device_type type;
        enum device_transport transport;
        char *socket_path; /* where its server listens; for `stream` of two fifos, .out of the guest and .in */
        bool stream;       /* console, once the platform is known: it brings a virtio-console of its own to two fifos */
        uint16_t n_queues; /* request queues (blk) or queue pairs (net) */
        uint16_t queue_size;
        bool packed;    /* offer the packed ring to the guest */
        uint8_t mac[6]; /* net */
        unsigned n_displays; /* gpu */
};

struct machine {
        char *id;
        enum machine_arch arch;
        char *platform;                     /* "auto", "kvm", "qemu" ... */
        char *kernel, *initrd, *parameters; /* absolute paths; NULL where absent */
        char *firmware;                     /* boots this instead of a kernel; NULL where absent */
        char *device_tree;                  /* overlay; NULL where absent */
        unsigned n_vcpus;
        uint64_t memory_bytes;
        char *run_dir; /* the machine's own folder, mode 0700: platform's sockets live here */
        struct machine_device *devices;
        size_t n_devices;
};

void machine_deinit(struct machine *m);

const char *machine_arch_name(enum machine_arch arch); /* "x86_64", "aarch64" */
const char *device_type_name(enum device_type type);   /* "blk", "net", "rng" ... */
