/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The GPU device as the driver's probe sees it, and its life. Start and stop of a queue, and what a successor brings
 * back after them, run on the queues' thread; everything else here on the control thread, most of it while the queues
 * are stopped. A display's mode changes there, too: the guest is told by the event and asks again on its own thread.
 */
#include "device/gpu/gpu.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "device/gpu/gpu-private.h"
#include "device/gpu/journal.h"
#include "display/view.h"
#include "render/client.h"
#include "virtio/features.h"

#define N_QUEUES 2
#define N_CAPSETS 2 /* virgl, virgl2 */
#define RENDER_RESTARTS 5 /* at once; then one a second */

/* A backing of single pages for twice the bytes of the pictures. */
#define BYTES_PER_EXTENT 2048
#define EXTENTS_MIN 65536

/* 5.7.4, of VIRTIO 1.4; Linux's header ends before the last field. */
struct config {
        uint32_t events_read, events_clear, num_scanouts, num_capsets, blob_alignment;
};

static_assert(sizeof(struct config) >= sizeof(struct virtio_gpu_config), "config space is cut");

static uint64_t gpu_features(const struct device *dev)
{
        const struct gpu *gpu = container_of(dev, struct gpu, dev);

        return FEATURE(VIRTIO_GPU_F_EDID) | FEATURE(VIRTIO_GPU_F_RESOURCE_UUID) | FEATURE(VIRTIO_GPU_F_RESOURCE_BLOB) |
               (gpu->render.process ? FEATURE(VIRTIO_GPU_F_VIRGL) : 0);
}

static int gpu_start(struct device *dev, uint64_t negotiated) { return 0; }

static struct queue *other_queue(struct gpu *gpu, const struct queue *q)
{
        return &gpu->dev.queues[GPU_CONTROL_QUEUE + GPU_CURSOR_QUEUE - q->index];
}

/* Whoever waits for this thread, the server's loop that starts and stops its queues most of all, waits for a slice. */
static void on_go_on(struct task *t)
{
        struct gpu *gpu = container_of(t, struct gpu, go_on);
        struct queue *control = &gpu->dev.queues[GPU_CONTROL_QUEUE], *cursor = &gpu->dev.queues[GPU_CURSOR_QUEUE];

        if (gpu->resumes) {
                if (!gpu_share_left(gpu)) /* it comes back in the next period */
                        return;
                if (!gpu_journal_resume(gpu, queue_space(queue_started(control) ? control : cursor))) {
                        gpu_go_on(gpu);
                        return;
                }
        }
        queue_kick(control);
        queue_kick(cursor);
}

void gpu_go_on(struct gpu *gpu) { task_schedule(&gpu->go_on, gpu->dev.queues[GPU_CONTROL_QUEUE].loop, on_go_on); }

/*
 * Of a killed predecessor's guest: its rings go on where they stood. A ring that begins is a new driver's, who must not
 * find what an earlier one had; only the control queue's tells that, as a guest may never have used the other. Until
 * one of them has told, no command is done: it might change what is to be brought back.
 */
static int gpu_queue_start(struct device *dev, struct queue *q)
{
        struct gpu *gpu = container_of(dev, struct gpu, dev);
        int r = gpu->render.runner ? gpu_runner_queue_start(gpu->render.runner, q) : 0;

        /* One thread serves both: the table of resources has no lock. */
        assert(dev->queues[0].loop == dev->queues[1].loop);
        gpu->render.knows_memory = false;
        if (r < 0)
                return r;
        if (gpu_journal_waits(gpu)) {
                if (!queue_looks_new(q))
                        gpu_journal_begin(gpu);
                else if (q->index == GPU_CONTROL_QUEUE)
                        gpu_journal_clear(gpu);
                gpu_go_on(gpu); /* the other one may wait for that */
        }
        if (gpu->resumes)
                gpu_go_on(gpu);
        return 0;
}

static void gpu_queue_stop(struct device *dev, struct queue *q)
{
        struct gpu *gpu = container_of(dev, struct gpu, dev);

        if (gpu->render.runner)
                gpu_runner_queue_stop(gpu->render.runner, q);
        if (!queue_started(other_queue(gpu, q))) {
                gpu_share_stop(gpu);
                task_cancel(&gpu->go_on); /* a queue that starts goes on with it */
        }
}

static void gpu_reset(struct device *dev)
{
        struct gpu *gpu = container_of(dev, struct gpu, dev);

        gpu_scanouts_clear(gpu);
        if (gpu->render.process)
                render_stop(gpu->render.process);
        gpu->render.runs = false;
        gpu_resources_clear(gpu);
        gpu_journal_clear(gpu);
        atomic_store(&gpu->events, 0);
}

static size_t gpu_config_size(const struct device *dev)
{
        return sizeof(struct config);
}

static void gpu_config_read(const struct device *dev, size_t offset, void *buf, size_t n)
{
        const struct gpu *gpu = container_of(dev, struct gpu, dev);
        struct config c = { .events_read = htole32(atomic_load(&gpu->events)), .num_scanouts = htole32(gpu->n_scanouts),
                            .num_capsets = htole32(gpu->render.process ? N_CAPSETS : 0) };

        memcpy(buf, (const char *) &c + offset, n);
}

/* Only events_clear can be written. Some front ends write the whole space when the driver writes that. */
static int gpu_config_write(struct device *dev, size_t offset, const void *buf, size_t n)
{
        struct gpu *gpu = container_of(dev, struct gpu, dev);
        size_t at = offsetof(struct config, events_clear);
        uint32_t clear;

        if (offset > at || n < at - offset + sizeof(clear))
                return -EINVAL;
        memcpy(&clear, (const char *) buf + (at - offset), sizeof(clear));
        atomic_fetch_and(&gpu->events, ~le32toh(clear));
        return 0;
}

static void on_mode_changed(void *data)
{
        struct gpu *gpu = data;

        atomic_fetch_or(&gpu->events, VIRTIO_GPU_EVENT_DISPLAY);
        device_config_changed(&gpu->dev);
}

static struct device *gpu_free(struct device *dev)
{
        struct gpu *gpu;

        if (!dev)
                return NULL;
        gpu = container_of(dev, struct gpu, dev);
        for (unsigned i = 0; i < gpu->n_scanouts; i++)
                view_on_mode(gpu->scanouts[i].view, NULL, NULL);
        device_deinit(dev);
        gpu_journal_close(gpu);
        gpu_runner_free(gpu->render.runner);
        render_free(gpu->render.process);
        free(gpu->buckets);
        free(gpu);
        return NULL;
}

static const struct device_ops gpu_ops = {
        .name = "gpu",
        .virtio_id = VIRTIO_ID_GPU_DEVICE,
        .features = gpu_features,
        .start = gpu_start,
        .handle_queue = gpu_handle_queue,
        .reset = gpu_reset,
        .free = gpu_free,
        .config_size = gpu_config_size,
        .config_read = gpu_config_read,
        .config_write = gpu_config_write,
        .queue_start = gpu_queue_start,
        .queue_stop = gpu_queue_stop,
};

int gpu_new(struct loop *loop, const char *name, const struct gpu_options *options, struct device **ret)
{
        auto_cleanup(freep) struct gpu_resource **buckets = calloc(GPU_RESOURCE_BUCKETS, sizeof(*buckets));
        auto_cleanup(freep) struct gpu *gpu = calloc(1, sizeof(*gpu));
        int r;

        if (!gpu || !buckets)
                return -ENOMEM;
        gpu->render.process = options->render;
        ratelimit_init(&gpu->render.restarts, 1, RENDER_RESTARTS);
        gpu->max_resources = options->max_resources;
        gpu->max_bytes = options->max_bytes;
        gpu->share.limited = options->urgent;
        gpu->max_extents = MAX(options->max_bytes / BYTES_PER_EXTENT, (uint64_t) EXTENTS_MIN);
        r = options->state_fd >= 0 ? gpu_journal_open(gpu, options->state_fd) : 0;
        if (r < 0)
                return r;
        r = device_init(&gpu->dev, &gpu_ops, name, loop, N_QUEUES);
        if (r < 0) {
                gpu_journal_close(gpu);
                return r;
        }
        gpu->buckets = take_ptr(&buckets);
        for (; gpu->n_scanouts < options->n_views; gpu->n_scanouts++) {
                gpu->scanouts[gpu->n_scanouts].view = options->views[gpu->n_scanouts];
                view_on_mode(options->views[gpu->n_scanouts], on_mode_changed, gpu);
        }
        *ret = &take_ptr(&gpu)->dev;
        return 0;
}

int gpu_start_thread(struct device *dev)
{
        struct gpu *gpu = container_of(dev, struct gpu, dev);

        return gpu->render.process ? gpu_runner_new(gpu, &gpu->render.runner) : 0;
}
