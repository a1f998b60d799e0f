/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A guest of the GPU device: memory, the driver's side of both queues and the device, with two scanouts on views that
 * remember. All in one thread, or the device's queues on a worker's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_gpu.h>

#include "device/gpu/gpu.h"
#include "device/gpu/test-view.h"
#include "virtio/device.h"
#include "virtio/driver.h"

#define GUEST_MEMORY_BYTES UINT64_C(0x2000000)
#define GUEST_REQUEST UINT64_C(0x200000)
#define GUEST_RESPONSE UINT64_C(0x300000)
#define GUEST_PIXELS UINT64_C(0x400000) /* to the end: free for tests */
#define GUEST_SCANOUTS 2

/* A response's type: the queue broke; nothing was answered. */
#define QUEUE_BROKE 1
#define NO_ANSWER 2

struct render;

struct gpu_guest_config {
        uint64_t features_off;
        uint32_t max_resources; /* 0: the default */
        uint64_t max_bytes;     /* 0: the default */
        bool packed, worker, state; /* state: in a file, see gpu_guest_succeed() */
        bool urgent;
        struct render *render; /* the device's from then on; NULL: no 3D */
};

struct gpu_guest {
        struct loop *loop;
        struct worker *worker; /* NULL: the loop serves the queues */
        struct space *space;
        int memory_fd, call_fd[2], kick_fd[2];
        int state_fd; /* -1: none */
        struct gpu_options options;
        char *memory;
        struct view views[GUEST_SCANOUTS];
        struct view *view_list[GUEST_SCANOUTS];
        struct device *dev;
        struct driver_queue queues[2];
        uint32_t base[2]; /* while they are paused */
        uint64_t features;
        unsigned n_needs_reset, n_config_changed;
        uint32_t last_len; /* bytes written, as the device said */
        struct virtio_gpu_ctrl_hdr last_header; /* of the last response */
};

void gpu_guest_init(struct gpu_guest *g, const struct gpu_guest_config *config);
void gpu_guest_deinit(struct gpu_guest *g);

/* Stops the queues and starts them with empty rings, after a change of guest memory or a reset of the device. */
void gpu_guest_stop(struct gpu_guest *g);
void gpu_guest_start(struct gpu_guest *g);

/* Stops the queues, and starts them where they stood. */
void gpu_guest_pause(struct gpu_guest *g);
void gpu_guest_pause_queue(struct gpu_guest *g, uint16_t index);
void gpu_guest_resume(struct gpu_guest *g);
void gpu_guest_resume_queue(struct gpu_guest *g, uint16_t index);

/* The server is killed: the device is a new one, on a copy of the state file as it was; memory and rings stay. Its
   queues are not started yet, as in a pause. @wreck, if any, does something to the copy, or to the options. */
void gpu_guest_kill(struct gpu_guest *g, void (*wreck)(int state_fd, void *data), void *data);
/* The same, and the other one takes over: a command was answered, after what there was is back. */
void gpu_guest_succeed(struct gpu_guest *g, void (*wreck)(int state_fd, void *data), void *data);

/* Sends what the buffers say, and waits for the answer. Return: the response's type, or one of the above. */
uint32_t gpu_guest_send(struct gpu_guest *g, uint16_t queue, const struct driver_buffer *buffers, unsigned n);

/* A request with room for a response of @n_response bytes, which is at GUEST_RESPONSE then. */
uint32_t gpu_guest_run(struct gpu_guest *g, uint16_t queue, const void *request, size_t n, uint32_t n_response);

/* The commands, answered. */
uint32_t gpu_guest_bare(struct gpu_guest *g, uint32_t type, uint32_t n_response);
uint32_t gpu_guest_create(struct gpu_guest *g, uint32_t id, uint32_t format, uint32_t width, uint32_t height);
uint32_t gpu_guest_unref(struct gpu_guest *g, uint32_t id);
uint32_t gpu_guest_attach(struct gpu_guest *g, uint32_t id, const struct virtio_gpu_mem_entry *entries, uint32_t n);
uint32_t gpu_guest_detach(struct gpu_guest *g, uint32_t id);
uint32_t gpu_guest_transfer(struct gpu_guest *g, uint32_t id, struct virtio_gpu_rect r, uint64_t offset);
uint32_t gpu_guest_scanout(struct gpu_guest *g, uint32_t scanout, uint32_t id, struct virtio_gpu_rect r);
uint32_t gpu_guest_flush(struct gpu_guest *g, uint32_t id, struct virtio_gpu_rect r);
uint32_t gpu_guest_create_blob(struct gpu_guest *g, uint32_t id, uint64_t size,
                               const struct virtio_gpu_mem_entry *entries, uint32_t n);
/* Of pixels one after the other from @offset. */
uint32_t gpu_guest_scanout_blob(struct gpu_guest *g, uint32_t scanout, uint32_t id, struct virtio_gpu_rect r,
                                uint32_t width, uint32_t height, uint32_t stride, uint32_t offset);
uint32_t gpu_guest_cursor(struct gpu_guest *g, uint32_t type, uint32_t scanout, uint32_t id, uint32_t x, uint32_t y);

/* A 2D resource of B8G8R8X8 with its backing in one piece at @at. */
void gpu_guest_make(struct gpu_guest *g, uint32_t id, uint32_t width, uint32_t height, uint64_t at);
/* Fills memory with pixels that all differ, also from those of another seed. */
void gpu_guest_paint(struct gpu_guest *g, uint64_t at, uint32_t n_pixels, uint32_t seed);
static inline uint32_t gpu_guest_colour(uint32_t seed, uint32_t pixel)
{
        return seed << 24 ^ (pixel * 2654435761u >> 4);
}
