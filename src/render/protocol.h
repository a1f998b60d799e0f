/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Between the display server and the process that renders one guest's 3D: a stream socket, one request at a time, each
 * answered. The render process believes nothing of what is in a request but its frame: the guest's commands are passed
 * on as they came. Host byte order.
 *
 *      struct render_request, then size_bytes of payload        (file descriptors come with the first byte)
 *      struct render_reply, then size_bytes of payload
 *
 * Why a process of its own: virglrenderer and the GL driver below it parse what a guest wrote, on the host's behalf.
 * What breaks there breaks for this guest only.
 */
#pragma once

#include <stdint.h>

#define RENDER_FDS_MAX 64
#define RENDER_PAYLOAD_MAX (4U << 20)
#define RENDER_READ_MAX_PIXELS (64U << 20)

enum render_request_type {
        RENDER_MEMORY = 1, /* struct render_region for each fd: the guest's memory from now on */
        RENDER_COMMAND,    /* a command of the control queue, as the guest wrote it; answered when its fence is done */
        RENDER_BACKING,    /* struct render_backing, then its entries (struct virtio_gpu_mem_entry) */
        RENDER_FRAME,      /* one fd: shared memory that RENDER_READ fills from now on */
        RENDER_READ,       /* struct render_read */
};

struct render_request {
        uint32_t type;
        uint32_t size_bytes;
};

struct render_reply {
        uint32_t type; /* VIRTIO_GPU_RESP_* */
        uint32_t size_bytes;
};

struct render_region {
        uint64_t start;           /* guest-physical */
        uint64_t size_bytes;
        uint64_t fd_offset_bytes;
};

struct render_backing {
        uint32_t resource;
        uint32_t n_entries; /* 0: takes the backing away */
};

/* A rectangle of a resource's first level, four bytes a pixel, top row first, into the frame's start. */
struct render_read {
        uint32_t resource;
        uint32_t x, y, width, height;
};
