/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What one monitor process runs, as its command line says (busbar-monitor(1)). Nothing here is checked against the
 * host; files are opened by whoever uses them, before the sandbox closes.
 *
 * Ownership: strings borrow argv.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MONITOR_DEVICES_MAX 30
#define MONITOR_VCPUS_MAX 64

enum monitor_transport { MONITOR_PCI, MONITOR_MMIO };

/* --device id=ID,type=TYPE,socket=PATH[,transport=pci|mmio][,queues=N][,queue-size=N][,packed=on|off]: a vhost-user
   device. The type only says which virtio device id the guest sees: the monitor knows nothing else of it. */
struct monitor_device {
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
        const struct monitor_device *devices;
        size_t n_devices;
        int control_fd; /* owned by the monitor: control.h; -1: run at once, signals stop it */
        int serial_fd;  /* borrowed: early messages of the guest; -1: discarded */
};
