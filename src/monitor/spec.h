/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What one monitor process runs, as its command line says (busbar-monitor(1)). Nothing here is checked against the
 * host; files are opened by whoever uses them, before the sandbox closes.
 *
 * Ownership: strings borrow argv, but those of devices.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MONITOR_DEVICES_MAX 30
#define MONITOR_VCPUS_MAX 64

enum monitor_transport { MONITOR_PCI, MONITOR_MMIO };

/* --device id=ID,type=TYPE,socket=PATH[,transport=pci|mmio][,queues=N][,queue-size=N][,packed=on|off]
   [,mac=AA:BB:CC:DD:EE:FF]: a vhost-user device; ",," is a comma within a value. The type only says which virtio device
   id the guest sees: the monitor knows nothing else of it. */
struct monitor_device {
        char *text;     /* owned: the strings below point into it; NULL: they are borrowed */
        const char *id; /* unique; in log lines */
        uint32_t virtio_id;
        const char *socket_path;
        enum monitor_transport transport;
        uint16_t n_queues; /* virtqueues in all, control queue included; 0: as many as the server has */
        uint16_t queue_size_max;
        bool packed; /* offer RING_PACKED if the server does */
        bool has_mac; /* net: laid over the server's configuration space */
        uint8_t mac[6];
};

struct monitor_spec {
        const char *name; /* of the machine; in log lines */
        unsigned n_vcpus;
        uint64_t memory_bytes;
        bool huge_pages, prefault;
        const char *kernel, *initrd, *parameters; /* NULL where absent */
        const char *device_tree;                  /* overlay (.dtbo); NULL where absent */
        bool no_symlinks;                         /* refuse a path of these that has a symlink in it */
        const struct monitor_device *devices; /* owned where monitor_spec_add_device() made them */
        size_t n_devices;
        int control_fd; /* owned by the monitor: life.h; -1: run at once, signals stop it */
        int serial_fd;  /* borrowed: early messages of the guest; -1: discarded */
};

/* What holds for an option that is not given: one vCPU, 256 MiB, no files. */
void monitor_spec_init(struct monitor_spec *spec);
void monitor_spec_deinit(struct monitor_spec *spec);

/* @text: the value of --device. Return: 0; a negative errno with a sentence in *ret_error (caller frees). */
int monitor_spec_add_device(struct monitor_spec *spec, const char *text, char **ret_error);

/* "536870912", "512M", "2G": a number of bytes. Return: 0 or -EINVAL. */
int monitor_parse_bytes(const char *text, uint64_t *ret);
/* Return: 0; -EINVAL if it is no number from @min to @max. */
int monitor_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
