/* SPDX-License-Identifier: MPL-2.0 */
/* The process that renders one guest's 3D: requests of protocol.h done with virglrenderer. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct iovec;
struct space;

/* virglrenderer.h names it and leaves it to its users; the layout is that of struct virtio_gpu_box. */
struct virgl_box {
        uint32_t x, y, z, w, h, d;
};

struct render_process {
        int fd;              /* borrowed: requests come from here */
        struct space *space; /* owned: the guest's memory */
        uint32_t fence;      /* last made */
        uint32_t fence_done;
        struct {
                uint8_t *pixels; /* owned: mapped; NULL: none */
                size_t size_bytes;
        } frame;
        uint32_t *backed;    /* owned: resources that have guest memory attached */
        size_t n_backed;
        void *answer;        /* owned: payload of the last reply */
        size_t n_answer;
};

/* Serves until the other side closes. Return: the process's exit status. */
int render_process_run(int fd);

/* Restricts this process and its threads to what a GL driver needs. Return: 0; a negative errno: it must not serve. */
int render_lock_down(void);

/* One command of the control queue. Return: VIRTIO_GPU_RESP_*, with @p's answer filled. */
uint32_t render_command_do(struct render_process *p, void *command, size_t n);

/* Waits until all that was submitted in a context is done. */
void render_fence_wait(struct render_process *p, uint32_t context);

/* Takes guest memory away from all resources; before it is unmapped. */
void render_backing_clear(struct render_process *p);

/* Return: VIRTIO_GPU_RESP_*. */
uint32_t render_backing_set(struct render_process *p, const void *payload, size_t n);
