/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The cursor: 64 by 64 pixels of a resource as they are when UPDATE_CURSOR comes. Composition gets a copy, so that the
 * guest may draw the next shape meanwhile.
 *
 * The position is that of the shape's top left corner, as Linux sends it (a KMS cursor plane's place); a view wants the
 * hot spot's. It may lie outside of the scanout, also to the left of it or above: a negative number in 32 bits.
 */
#include <endian.h>
#include <string.h>

#include "base/macros.h"
#include "device/gpu/gpu-private.h"
#include "device/gpu/journal.h"
#include "display/picture.h"
#include "display/surface.h"
#include "display/view.h"

#define ROW_BYTES (GPU_CURSOR_PIXELS * GPU_PIXEL_BYTES)

/* From a 2D or rendered resource. */
static uint32_t copy_picture(const struct gpu_resource *resource, struct picture *to)
{
        struct picture *from = surface_hold(resource->surface);

        for (uint32_t y = 0; y < GPU_CURSOR_PIXELS; y++)
                memcpy(to->pixels + (size_t) y * to->stride_bytes, from->pixels + (size_t) y * from->stride_bytes,
                       ROW_BYTES);
        picture_unref(from);
        return 0;
}

/* Linux does not say how the pixels lie in a blob: row by row from its start. */
static uint32_t copy_blob(struct gpu *gpu, const struct space *space, const struct gpu_resource *resource,
                          struct picture *to)
{
        const struct rectangle all = { 0, 0, GPU_CURSOR_PIXELS, GPU_CURSOR_PIXELS };

        return gpu_copy_to_picture(gpu, space, &resource->backing, ROW_BYTES, to, &all, 0);
}

static uint32_t fetch(struct gpu *gpu, const struct space *space, struct gpu_resource *resource)
{
        const struct rectangle all = { 0, 0, GPU_CURSOR_PIXELS, GPU_CURSOR_PIXELS };
        uint32_t result = resource->surface ? 0 : gpu_surface_new(gpu, &resource->layout, &resource->surface);

        return result ? result : gpu_3d_fetch(gpu, space, resource, &all);
}

static uint32_t make_picture(struct gpu *gpu, const struct space *space, struct gpu_resource *resource,
                             struct picture **ret)
{
        pixman_format_code_t format = PIXMAN_a8r8g8b8;
        struct picture *p;
        uint32_t result;

        if (!resource->blob &&
            (resource->layout.width != GPU_CURSOR_PIXELS || resource->layout.height != GPU_CURSOR_PIXELS))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        if (!resource->blob && !gpu_format(resource->layout.format, &format))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        if (resource->rendered) {
                result = fetch(gpu, space, resource);
                if (result)
                        return result;
        }
        if (picture_new(format, GPU_CURSOR_PIXELS, GPU_CURSOR_PIXELS, &p) < 0)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        result = resource->blob ? copy_blob(gpu, space, resource, p) : copy_picture(resource, p);
        if (result) {
                picture_unref(p);
                return result;
        }
        *ret = p;
        return 0;
}

static void move(struct gpu_scanout *s, const struct virtio_gpu_cursor_pos *pos)
{
        view_move_cursor(s->view, le32toh(pos->x) + s->cursor_hot_x, le32toh(pos->y) + s->cursor_hot_y);
}

uint32_t gpu_update_cursor(struct gpu *gpu, struct gpu_command *c)
{
        const struct virtio_gpu_update_cursor *in = &c->request.cursor;
        uint32_t i = le32toh(in->pos.scanout_id), id = le32toh(in->resource_id), hot_x = 0, hot_y = 0, result;
        struct picture *p = NULL;
        struct gpu_resource *resource = NULL;
        bool returns; /* after the server was killed */
        int r;

        if (i >= gpu->n_scanouts)
                return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
        if (id != 0) {
                resource = gpu_resource_find(gpu, id);
                if (!resource)
                        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
                result = make_picture(gpu, c->space, resource, &p);
                if (result)
                        return result;
                hot_x = MIN(le32toh(in->hot_x), GPU_CURSOR_PIXELS - 1u);
                hot_y = MIN(le32toh(in->hot_y), GPU_CURSOR_PIXELS - 1u);
        }
        r = view_set_cursor(gpu->scanouts[i].view, p, hot_x, hot_y);
        picture_unref(p);
        if (r < 0)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        gpu->scanouts[i].cursor_hot_x = hot_x;
        gpu->scanouts[i].cursor_hot_y = hot_y;
        returns = resource && !resource->rendered;
        gpu->scanouts[i].saved.cursor = returns ? *in : (struct virtio_gpu_update_cursor) { 0 };
        gpu_journal_scanouts(gpu);
        move(&gpu->scanouts[i], &in->pos);
        return VIRTIO_GPU_RESP_OK_NODATA;
}

void gpu_cursors_forget(struct gpu *gpu, uint32_t resource_id)
{
        for (unsigned i = 0; i < gpu->n_scanouts; i++) {
                struct virtio_gpu_update_cursor *cursor = &gpu->scanouts[i].saved.cursor;

                if (cursor->hdr.type == 0 || le32toh(cursor->resource_id) != resource_id)
                        continue;
                *cursor = (struct virtio_gpu_update_cursor) { 0 };
                gpu_journal_scanouts(gpu);
        }
}

uint32_t gpu_move_cursor(struct gpu *gpu, struct gpu_command *c)
{
        uint32_t i = le32toh(c->request.cursor.pos.scanout_id);

        if (i >= gpu->n_scanouts)
                return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
        move(&gpu->scanouts[i], &c->request.cursor.pos);
        gpu->scanouts[i].saved.cursor.pos = c->request.cursor.pos;
        gpu_journal_scanouts(gpu);
        return VIRTIO_GPU_RESP_OK_NODATA;
}
