/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From guest memory into surfaces. What was flushed stays as it is until the next flush: a command's copy goes to
 * another picture of the surface, of which nothing is seen before. A copy that is cut leaves there what is written once
 * more. What a guest does to the frame while it is copied is the guest's own affair.
 */
#include <endian.h>
#include <stddef.h>

#include "base/macros.h"
#include "device/gpu/gpu-private.h"
#include "display/picture.h"
#include "display/surface.h"

struct rectangle gpu_rectangle(const struct virtio_gpu_rect *r)
{
        return (struct rectangle) { le32toh(r->x), le32toh(r->y), le32toh(r->width), le32toh(r->height) };
}

uint32_t gpu_copy_to_picture(struct gpu *gpu, const struct space *space, const struct gpu_backing *backing,
                             uint32_t stride_bytes, struct picture *p, const struct rectangle *r, uint64_t offset_bytes)
{
        struct gpu_reader reader = { .gpu = gpu, .space = space, .backing = backing };
        size_t row_bytes = (size_t) r->width * GPU_PIXEL_BYTES;
        bool is_dense = row_bytes == stride_bytes && row_bytes == p->stride_bytes;
        uint32_t n_rows = is_dense ? r->height : 1, result = 0;

        if (!range_fits(offset_bytes, (uint64_t) stride_bytes * (r->height - 1) + row_bytes, backing->size_bytes))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        for (uint32_t y = 0; result == 0 && y < r->height; y += n_rows) {
                uint8_t *to = p->pixels + (size_t) (r->y + y) * p->stride_bytes + (size_t) r->x * GPU_PIXEL_BYTES;

                result = gpu_reader_copy(&reader, offset_bytes + (uint64_t) y * stride_bytes, to, n_rows * row_bytes);
        }
        return result;
}

uint32_t gpu_complete(struct gpu *gpu, struct surface *s)
{
        while (s && !surface_catch_up(s, GPU_SLICE_BYTES))
                if (gpu_is_awaited(gpu))
                        return GPU_CUT;
        return 0;
}

uint32_t gpu_surface_end(struct gpu *gpu, struct surface *s, const struct rectangle *r, uint32_t result)
{
        const struct pixman_box32 box = { (int) r->x, (int) r->y, (int) (r->x + r->width), (int) (r->y + r->height) };
        uint32_t end_result;

        surface_end_box(s, &box, result == 0);
        /* What was cut comes again; what failed may not, and the quota counts one picture of a surface that is idle. */
        if (result == GPU_CUT || (!surface_is_idle(s) && !surface_is_ragged(s)))
                return result;
        end_result = gpu_complete(gpu, s);
        if (end_result == 0 && surface_is_idle(s))
                surface_set_idle(s, true);
        return end_result ? end_result : result;
}

uint32_t gpu_copy(struct gpu *gpu, const struct space *space, const struct gpu_backing *backing, uint32_t stride_bytes,
                  struct surface *s, const struct rectangle *r, uint64_t offset_bytes)
{
        struct picture *p;
        uint32_t result;

        if (surface_begin(s, &p) < 0)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        result = gpu_copy_to_picture(gpu, space, backing, stride_bytes, p, r, offset_bytes);
        return gpu_surface_end(gpu, s, r, result);
}

/* Of a blob there is nothing to transfer: guest memory is the resource. Linux sends it for cursors all the same. */
uint32_t gpu_transfer_to_host_2d(struct gpu *gpu, struct gpu_command *c)
{
        struct gpu_resource *resource = gpu_resource_find(gpu, le32toh(c->request.transfer.resource_id));
        struct rectangle r = gpu_rectangle(&c->request.transfer.r);
        uint32_t result;

        if (!resource)
                return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
        if (resource->blob)
                return VIRTIO_GPU_RESP_OK_NODATA;
        if (resource->rendered || !rectangle_fits(&r, resource->layout.width, resource->layout.height))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        if (rectangle_is_empty(&r))
                return VIRTIO_GPU_RESP_OK_NODATA;
        result = gpu_copy(gpu, c->space, &resource->backing, resource->layout.stride_bytes, resource->surface, &r,
                          le64toh(c->request.transfer.offset));
        return result ? result : VIRTIO_GPU_RESP_OK_NODATA;
}
