/* SPDX-License-Identifier: MPL-2.0 */
/*
 * GPU device: a guest's scanouts are views of the scene's displays. Spec: VIRTIO 1.4, 5.7.
 *
 * What a guest draws is copied once, by its command, from guest memory into a picture of the server's; composition
 * reads pictures only. Threads: both queues belong to one loop, best a worker's of this guest alone; the rest is the
 * control thread's, which has to be the one that the views' screens run on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct device;
struct loop;
struct render;
struct view;

#define GPU_SCANOUTS_MAX 16
#define GPU_RESOURCES_DEFAULT 4096
#define GPU_RESOURCES_MAX 16384
#define GPU_BYTES_DEFAULT (UINT64_C(256) << 20)

struct gpu_options {
        struct view *const *views; /* one a scanout; the views are borrowed until the device is freed */
        unsigned n_views;          /* 1 to GPU_SCANOUTS_MAX */
        uint32_t max_resources;    /* 1 to GPU_RESOURCES_MAX */
        struct render *render;     /* for 3D; taken if a device is made; NULL: none */
        uint64_t max_bytes;        /* of pixels that the server holds for this guest */
        bool urgent;               /* its queues' thread has real-time priority: it is to take half of a CPU at most */
        int state_fd;              /* borrowed: a file in which the guest's state outlives a killed server; -1: none */
};

/* Return: 0 and *ret owned by the caller (device_free()), or a negative errno. */
int gpu_new(struct loop *loop, const char *name, const struct gpu_options *options, struct device **ret);

/*
 * For guests with 3D, before the first queue starts: a thread for their commands. Without it they run on the queues'
 * loop, and whoever stops a queue waits until the render process has answered. Return: 0 or a negative errno.
 */
int gpu_start_thread(struct device *dev);
