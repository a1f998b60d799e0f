/* SPDX-License-Identifier: MPL-2.0 */
/* Console device: one or more ports, each over a stream (backend/stream.h). Spec: VIRTIO 1.4, 5.3. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device;
struct loop;
struct stream;

#define CONSOLE_PORTS_MAX 16
#define CONSOLE_NAME_MAX 63

/* 5.3.3 */
enum {
        CONSOLE_FEATURE_SIZE = 0,
        CONSOLE_FEATURE_MULTIPORT = 1,
        CONSOLE_FEATURE_EMERG_WRITE = 2,
};

/* 5.3.6.2 */
enum console_event {
        CONSOLE_DEVICE_READY = 0,
        CONSOLE_DEVICE_ADD = 1,
        CONSOLE_DEVICE_REMOVE = 2,
        CONSOLE_PORT_READY = 3,
        CONSOLE_CONSOLE_PORT = 4,
        CONSOLE_RESIZE = 5,
        CONSOLE_PORT_OPEN = 6,
        CONSOLE_PORT_NAME = 7,
};

/* 5.3.4; all fields little endian. */
struct console_config {
        uint16_t columns, rows;
        uint32_t max_nr_ports;
        uint32_t emerg_wr;
};

/* Little endian. */
struct console_control {
        uint32_t id;
        uint16_t event, value;
};

struct console_port_options {
        const char *name;      /* tag in the guest; copied; NULL: none */
        struct stream *stream; /* the host side */
        bool console;          /* a terminal (hvc), not a generic port */
        uint16_t columns, rows; /* 0: unknown */
};

/**
 * console_new() - make a console device
 * @ports: 1 to CONSOLE_PORTS_MAX; their streams are taken on success
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
int console_new(struct loop *loop, const char *name, const struct console_port_options *ports, size_t n_ports,
                struct device **ret);

/* The terminal behind a port has another size: the driver is told. */
void console_resize(struct device *dev, size_t port, uint16_t columns, uint16_t rows);

/* The stream of a port, borrowed; for one that carries its bytes without a virtqueue. */
struct stream *console_stream(struct device *dev, size_t port);
