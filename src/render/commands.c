/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The 3D commands of VIRTIO 1.4, 5.7.6.8, done with virglrenderer, which checks ids, boxes and command streams. Sizes
 * of the commands themselves are checked here.
 */
#include <errno.h>
#include <linux/virtio_gpu.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <virgl/virglrenderer.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "mem/space.h"
#include "render/process.h"
#include "render/protocol.h"

#define BACKING_ENTRIES_MAX 262144
#define FENCE_POLL_MS 1

static uint32_t status(int r)
{
        if (r == 0)
                return VIRTIO_GPU_RESP_OK_NODATA;
        return r == ENOMEM || r == -ENOMEM ? VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY : VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
}

static uint32_t answer(struct render_process *p, uint32_t type, const void *payload, size_t n)
{
        void *buf = realloc(p->answer, n);

        if (!buf)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        p->answer = buf;
        if (payload)
                memcpy(buf, payload, n);
        p->n_answer = n;
        return type;
}

static uint32_t capset_info(struct render_process *p, const void *command)
{
        static const uint32_t ids[] = { VIRTIO_GPU_CAPSET_VIRGL, VIRTIO_GPU_CAPSET_VIRGL2 };
        const struct virtio_gpu_get_capset_info *in = command;
        struct {
                uint32_t id, max_version, max_size, padding;
        } out = { 0 };

        if (in->capset_index >= ARRAY_SIZE(ids))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        out.id = ids[in->capset_index];
        virgl_renderer_get_cap_set(out.id, &out.max_version, &out.max_size);
        return answer(p, VIRTIO_GPU_RESP_OK_CAPSET_INFO, &out, sizeof(out));
}

static uint32_t capset(struct render_process *p, const void *command)
{
        const struct virtio_gpu_get_capset *in = command;
        uint32_t max_version = 0, max_size = 0, r;

        virgl_renderer_get_cap_set(in->capset_id, &max_version, &max_size);
        if (max_size == 0 || in->capset_version > max_version)
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        r = answer(p, VIRTIO_GPU_RESP_OK_CAPSET, NULL, max_size);
        if (r == VIRTIO_GPU_RESP_OK_CAPSET) {
                memset(p->answer, 0, max_size);
                virgl_renderer_fill_caps(in->capset_id, in->capset_version, p->answer);
        }
        return r;
}

static uint32_t context_create(struct render_process *p, const void *command)
{
        const struct virtio_gpu_ctx_create *in = command;
        uint32_t n_name = MIN(in->nlen, (uint32_t) sizeof(in->debug_name));

        if (in->context_init != 0)
                return status(virgl_renderer_context_create_with_flags(in->hdr.ctx_id, in->context_init, n_name,
                                                                       in->debug_name));
        return status(virgl_renderer_context_create(in->hdr.ctx_id, n_name, in->debug_name));
}

static uint32_t context_destroy(struct render_process *p, const void *command)
{
        const struct virtio_gpu_ctx_destroy *in = command;

        virgl_renderer_context_destroy(in->hdr.ctx_id);
        return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t context_attach(struct render_process *p, const void *command)
{
        const struct virtio_gpu_ctx_resource *in = command;

        virgl_renderer_ctx_attach_resource((int) in->hdr.ctx_id, (int) in->resource_id);
        return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t context_detach(struct render_process *p, const void *command)
{
        const struct virtio_gpu_ctx_resource *in = command;

        virgl_renderer_ctx_detach_resource((int) in->hdr.ctx_id, (int) in->resource_id);
        return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t resource_create(struct render_process *p, const void *command)
{
        const struct virtio_gpu_resource_create_3d *in = command;
        struct virgl_renderer_resource_create_args args = {
                .handle = in->resource_id, .target = in->target, .format = in->format, .bind = in->bind,
                .width = in->width, .height = in->height, .depth = in->depth, .array_size = in->array_size,
                .last_level = in->last_level, .nr_samples = in->nr_samples, .flags = in->flags,
        };

        return status(virgl_renderer_resource_create(&args, NULL, 0));
}

static void detach(struct render_process *p, uint32_t resource)
{
        for (size_t i = 0; i < p->n_backed; i++)
                if (p->backed[i] == resource) {
                        struct iovec *iov = NULL;
                        int n;

                        virgl_renderer_resource_detach_iov((int) resource, &iov, &n);
                        free(iov);
                        p->backed[i] = p->backed[--p->n_backed];
                        return;
                }
}

void render_backing_clear(struct render_process *p)
{
        while (p->n_backed > 0)
                detach(p, p->backed[0]);
}

/* Takes @iov: the resource's from now on, until detach(). */
static bool attach(struct render_process *p, uint32_t resource, struct iovec *iov, int n_iov)
{
        uint32_t *backed = realloc(p->backed, (p->n_backed + 1) * sizeof(*backed));

        if (backed)
                p->backed = backed;
        if (!backed || virgl_renderer_resource_attach_iov((int) resource, iov, n_iov) != 0) {
                free(iov);
                return false;
        }
        p->backed[p->n_backed++] = resource;
        return true;
}

static uint32_t resource_unref(struct render_process *p, const void *command)
{
        const struct virtio_gpu_resource_unref *in = command;

        detach(p, in->resource_id);
        virgl_renderer_resource_unref(in->resource_id);
        return VIRTIO_GPU_RESP_OK_NODATA;
}

static struct virgl_box box_of(const struct virtio_gpu_box *box)
{
        return (struct virgl_box){ .x = box->x, .y = box->y, .z = box->z, .w = box->w, .h = box->h, .d = box->d };
}

static uint32_t transfer_to_host(struct render_process *p, const void *command)
{
        const struct virtio_gpu_transfer_host_3d *in = command;
        struct virgl_box box = box_of(&in->box);

        return status(virgl_renderer_transfer_write_iov(in->resource_id, in->hdr.ctx_id, (int) in->level, in->stride,
                                                        in->layer_stride, &box, in->offset, NULL, 0));
}

static uint32_t transfer_from_host(struct render_process *p, const void *command)
{
        const struct virtio_gpu_transfer_host_3d *in = command;
        struct virgl_box box = box_of(&in->box);

        return status(virgl_renderer_transfer_read_iov(in->resource_id, in->hdr.ctx_id, in->level, in->stride,
                                                       in->layer_stride, &box, in->offset, NULL, 0));
}

static uint32_t submit(struct render_process *p, void *command, size_t n)
{
        struct virtio_gpu_cmd_submit *in = command;

        if (in->size % 4 != 0 || in->size > n - sizeof(*in))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        return status(
                virgl_renderer_submit_cmd((char *) command + sizeof(*in), (int) in->hdr.ctx_id, (int) (in->size / 4)));
}

void render_fence_wait(struct render_process *p, uint32_t context)
{
        struct pollfd fd = { .fd = virgl_renderer_get_poll_fd(), .events = POLLIN };

        if (virgl_renderer_create_fence((int) ++p->fence, context) != 0)
                return;
        for (virgl_renderer_poll(); p->fence_done != p->fence; virgl_renderer_poll())
                (void) poll(&fd, fd.fd >= 0, FENCE_POLL_MS);
}

static const struct {
        uint32_t type;
        size_t size_bytes;
        uint32_t (*run)(struct render_process *p, const void *command);
} commands[] = {
        { VIRTIO_GPU_CMD_GET_CAPSET_INFO, sizeof(struct virtio_gpu_get_capset_info), capset_info },
        { VIRTIO_GPU_CMD_GET_CAPSET, sizeof(struct virtio_gpu_get_capset), capset },
        { VIRTIO_GPU_CMD_CTX_CREATE, sizeof(struct virtio_gpu_ctx_create), context_create },
        { VIRTIO_GPU_CMD_CTX_DESTROY, sizeof(struct virtio_gpu_ctx_destroy), context_destroy },
        { VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, sizeof(struct virtio_gpu_ctx_resource), context_attach },
        { VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, sizeof(struct virtio_gpu_ctx_resource), context_detach },
        { VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, sizeof(struct virtio_gpu_resource_create_3d), resource_create },
        { VIRTIO_GPU_CMD_RESOURCE_UNREF, sizeof(struct virtio_gpu_resource_unref), resource_unref },
        { VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, sizeof(struct virtio_gpu_transfer_host_3d), transfer_to_host },
        { VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, sizeof(struct virtio_gpu_transfer_host_3d), transfer_from_host },
};

static uint32_t run(struct render_process *p, void *command, size_t n)
{
        const struct virtio_gpu_ctrl_hdr *header = command;

        if (header->type == VIRTIO_GPU_CMD_SUBMIT_3D)
                return n < sizeof(struct virtio_gpu_cmd_submit) ? VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER :
                                                                  submit(p, command, n);
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
                if (commands[i].type == header->type)
                        return n < commands[i].size_bytes ? VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER :
                                                            commands[i].run(p, command);
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
}

uint32_t render_command_do(struct render_process *p, void *command, size_t n)
{
        const struct virtio_gpu_ctrl_hdr *header = command;
        uint32_t type;

        p->n_answer = 0;
        if (n < sizeof(*header))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        type = run(p, command, n);
        if (header->flags & VIRTIO_GPU_FLAG_FENCE)
                render_fence_wait(p, header->ctx_id);
        return type;
}

/* Pieces of guest memory; one entry may take several where it crosses regions.
   Return: their number or a negative errno. */
static int translate(const struct space *space, const struct virtio_gpu_mem_entry *entries, uint32_t n_entries,
                     struct iovec *iov, size_t n_max)
{
        size_t n = 0;

        for (uint32_t i = 0; i < n_entries; i++) {
                int r = space_iov(space, entries[i].addr, entries[i].length, iov + n, n_max - n);

                if (r < 0)
                        return r;
                n += (size_t) r;
        }
        return (int) n;
}

uint32_t render_backing_set(struct render_process *p, const void *payload, size_t n)
{
        const struct render_backing *in = payload;
        const struct virtio_gpu_mem_entry *entries = (const void *) (in + 1);
        auto_cleanup(freep) struct iovec *iov = NULL;
        size_t n_max;
        int n_iov;

        if (n < sizeof(*in) || in->n_entries > BACKING_ENTRIES_MAX ||
            n != sizeof(*in) + (size_t) in->n_entries * sizeof(*entries))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        detach(p, in->resource);
        if (in->n_entries == 0)
                return VIRTIO_GPU_RESP_OK_NODATA;
        n_max = in->n_entries + RENDER_FDS_MAX;
        iov = calloc(n_max, sizeof(*iov));
        if (!iov)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        n_iov = translate(p->space, entries, in->n_entries, iov, n_max);
        if (n_iov < 0 || !attach(p, in->resource, take_ptr(&iov), n_iov))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        return VIRTIO_GPU_RESP_OK_NODATA;
}
