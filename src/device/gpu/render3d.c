/* SPDX-License-Identifier: MPL-2.0 */
/*
 * 3D: commands are passed on as the guest wrote them to its render process (render/client.h), and waited for by this
 * guest's runner (runner.c), so that the thread of its queues, and with it whoever changes or stops them, does not
 * wait.
 *
 * A 3D resource is in the table like the others, for its id, quota, backing and what is scanned out of it; its pixels
 * are the render process's. They are read back when it is flushed, into a surface, as a blob's are copied then.
 *
 * A render process that dies takes the guest's contexts and 3D resources with it. Commands that need them fail from
 * then on; a new process is there for new ones. What was shown stays, and 2D goes on: the guest's compositor can start
 * again without any reset of the device.
 *
 * Quota: four bytes a pixel of every layer and sample; what mipmaps and wider formats take beyond that is limited by
 * the render process's own limit only.
 *
 * Spec: VIRTIO 1.4, 5.7.6.8 (3D commands).
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/macros.h"
#include "device/gpu/gpu-private.h"
#include "display/picture.h"
#include "display/surface.h"
#include "render/client.h"

#define TARGET_BUFFER 0 /* its width is bytes */
#define LAYERS_MAX 2048
#define SAMPLES_MAX 32
#define SUBMIT_BYTES_MAX (2U << 20)

/* Gives the process all backings again: its memory was told anew. Return: 0 or -EPIPE. */
static int attach_again(struct gpu *gpu, struct gpu_resource *resource)
{
        auto_cleanup(freep) struct virtio_gpu_mem_entry *entries = NULL;
        const struct gpu_backing *b = &resource->backing;
        int r;

        entries = malloc(b->n_extents * sizeof(*entries));
        if (!entries)
                return -EPIPE;
        for (uint32_t i = 0; i < b->n_extents; i++) {
                uint64_t end = i + 1 < b->n_extents ? b->extents[i + 1].offset_bytes : b->size_bytes;

                entries[i] = (struct virtio_gpu_mem_entry) { .addr = b->extents[i].address,
                                                             .length = (uint32_t) (end - b->extents[i].offset_bytes) };
        }
        r = render_set_backing(gpu->render.process, resource->id, entries, b->n_extents);
        return MIN(r, 0);
}

static int tell_memory(struct gpu *gpu, const struct space *space)
{
        int r = render_set_memory(gpu->render.process, space);

        for (size_t i = 0; r == 0 && i < GPU_RESOURCE_BUCKETS; i++)
                for (struct gpu_resource *at = gpu->buckets[i]; r == 0 && at; at = at->next)
                        if (at->rendered && at->backing.extents)
                                r = attach_again(gpu, at);
        gpu->render.knows_memory = r == 0;
        return r;
}

/* The process runs and knows the memory. Return: 0; a negative errno. */
static int need_process(struct gpu *gpu, const struct space *space)
{
        int r = 0;

        if (!gpu->render.runs) {
                if (!ratelimit_take(&gpu->render.restarts, 1, clock_now_ns()))
                        return -EPIPE;
                r = render_restart(gpu->render.process);
                gpu->render.runs = r == 0;
                gpu->render.knows_memory = false;
        }
        if (r == 0 && !gpu->render.knows_memory)
                r = tell_memory(gpu, space);
        return r;
}

/* Return: a response's type. */
static uint32_t result_of(struct gpu *gpu, int reply)
{
        if (reply >= 0)
                return (uint32_t) reply;
        if (reply == -EPIPE && gpu->render.runs) {
                gpu->render.runs = false;
                device_log_guest(&gpu->dev, "its render process ended: 3D contexts and resources are lost");
        }
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
}

static uint32_t pass_on(struct gpu *gpu, struct gpu_command *c, const void *request, size_t n)
{
        uint32_t type = le32toh(c->request.header.type);
        bool has_payload = type == VIRTIO_GPU_CMD_GET_CAPSET_INFO || type == VIRTIO_GPU_CMD_GET_CAPSET;
        size_t n_payload = 0;
        int r = need_process(gpu, c->space);

        if (r == 0)
                r = render_command(gpu->render.process, request, n, c->response.capset.bytes,
                                   has_payload ? sizeof(c->response.capset.bytes) : 0, &n_payload);
        c->n_response_bytes = sizeof(c->response.header) + n_payload;
        return result_of(gpu, r);
}

uint32_t gpu_3d_command(struct gpu *gpu, struct gpu_command *c)
{
        return pass_on(gpu, c, &c->request, sizeof(c->request));
}

uint32_t gpu_3d_transfer(struct gpu *gpu, struct gpu_command *c)
{
        const struct gpu_resource *resource = gpu_resource_find(gpu, le32toh(c->request.transfer_3d.resource_id));

        if (!resource || !resource->rendered)
                return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
        return gpu_3d_command(gpu, c);
}

/* Linux makes 2D resources known to contexts, too; no rendering can use them. */
uint32_t gpu_3d_context_resource(struct gpu *gpu, struct gpu_command *c)
{
        const struct gpu_resource *resource = gpu_resource_find(gpu, le32toh(c->request.context_resource.resource_id));

        if (!resource)
                return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
        return resource->rendered ? gpu_3d_command(gpu, c) : (uint32_t) VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t gpu_3d_submit(struct gpu *gpu, struct gpu_command *c)
{
        uint32_t n_bytes = le32toh(c->request.submit.size);
        size_t n = sizeof(c->request.submit) + n_bytes;
        auto_cleanup(freep) char *request = NULL;

        if (n_bytes > SUBMIT_BYTES_MAX || n > c->chain->n_read_bytes)
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        request = malloc(n);
        if (!request)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        memcpy(request, &c->request.submit, sizeof(c->request.submit));
        (void) chain_read(c->chain, sizeof(c->request.submit), request + sizeof(c->request.submit), n_bytes);
        gpu->n_wakeup_bytes += n;
        return pass_on(gpu, c, request, n);
}

/* Return: false if a number is out of range. */
static bool count_bytes(const struct virtio_gpu_resource_create_3d *in, uint64_t *ret)
{
        uint64_t width = le32toh(in->width), height = le32toh(in->height), depth = le32toh(in->depth),
                 n_layers = le32toh(in->array_size), n_samples = MAX(le32toh(in->nr_samples), 1u);

        if (le32toh(in->target) == TARGET_BUFFER) {
                *ret = width;
                return height <= 1 && depth <= 1 && n_layers <= 1;
        }
        if (width > GPU_PIXELS_MAX || height > GPU_PIXELS_MAX || depth > LAYERS_MAX || n_layers > LAYERS_MAX ||
            n_samples > SAMPLES_MAX)
                return false;
        *ret = width * height * MAX(depth, 1u) * MAX(n_layers, 1u) * n_samples * GPU_PIXEL_BYTES;
        return true;
}

uint32_t gpu_3d_create(struct gpu *gpu, struct gpu_command *c)
{
        const struct virtio_gpu_resource_create_3d *in = &c->request.create_3d;
        struct gpu_resource *resource;
        uint32_t result;
        uint64_t n_bytes;

        if (!count_bytes(in, &n_bytes))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        if (n_bytes > gpu->max_bytes - gpu->n_bytes)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        result = gpu_resource_new(gpu, le32toh(in->resource_id), &resource);
        if (result)
                return result;
        result = gpu_3d_command(gpu, c);
        if (result != VIRTIO_GPU_RESP_OK_NODATA) {
                gpu_resource_free(gpu, resource);
                return result;
        }
        resource->rendered = true;
        resource->layout = (struct gpu_layout) { .format = le32toh(in->format), .width = le32toh(in->width),
                                                 .height = le32toh(in->height) };
        resource->rendered_bytes = n_bytes;
        gpu->n_bytes += n_bytes;
        return VIRTIO_GPU_RESP_OK_NODATA;
}

void gpu_3d_forget(struct gpu *gpu, struct gpu_resource *resource)
{
        struct virtio_gpu_resource_unref request = { .hdr = { .type = htole32(VIRTIO_GPU_CMD_RESOURCE_UNREF) },
                                                     .resource_id = htole32(resource->id) };
        size_t n;

        gpu->n_bytes -= resource->rendered_bytes;
        if (gpu->render.runs)
                (void) result_of(gpu, render_command(gpu->render.process, &request, sizeof(request), NULL, 0, &n));
}

uint32_t gpu_3d_attach(struct gpu *gpu, const struct space *space, struct gpu_resource *resource)
{
        const struct virtio_gpu_mem_entry none = { 0 };
        int r;

        if (!resource->backing.extents)
                return result_of(gpu, gpu->render.runs ? render_set_backing(gpu->render.process, resource->id, &none, 0)
                                                       : -EPIPE);
        r = need_process(gpu, space);
        if (r == 0)
                r = attach_again(gpu, resource);
        return r < 0 ? result_of(gpu, r) : (uint32_t) VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t gpu_3d_fetch(struct gpu *gpu, const struct space *space, struct gpu_resource *resource,
                      const struct rectangle *r)
{
        struct picture *p;
        size_t row_bytes = (size_t) r->width * GPU_PIXEL_BYTES;
        uint32_t n_slice_rows = MAX(GPU_SLICE_BYTES / MAX((uint32_t) row_bytes, GPU_PIECE_BYTES_MIN), 1u), result, y;
        const uint8_t *pixels;
        int reply = need_process(gpu, space);

        if (reply == 0)
                reply = render_read(gpu->render.process, resource->id, r, &pixels);
        result = result_of(gpu, reply);
        if (result != VIRTIO_GPU_RESP_OK_NODATA)
                return result;
        if (surface_begin(resource->surface, &p) < 0)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        for (y = 0; y < r->height && (y == 0 || y % n_slice_rows != 0 || !gpu_is_awaited(gpu)); y++)
                memcpy(p->pixels + (size_t) (r->y + y) * p->stride_bytes + (size_t) r->x * GPU_PIXEL_BYTES,
                       pixels + y * row_bytes, row_bytes);
        gpu->n_wakeup_bytes += row_bytes * y;
        return gpu_surface_end(gpu, resource->surface, r, y < r->height ? GPU_CUT : 0);
}
