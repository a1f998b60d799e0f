/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What is shown. A scanout is a view of the scene; it shows a rectangle of a resource.
 *
 * A 2D resource is shown at once: its surface is what was transferred to it. The pixels of a blob are in guest memory,
 * which composition never reads. They are copied into the resource's surface when it is flushed: the flushed rectangle,
 * and all of it at the first flush after SET_SCANOUT_BLOB. Those of a rendered resource are read back in the same way.
 * Only then is it shown, so that a page flip shows neither an old frame nor half of a new one, and costs one copy.
 */
#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/macros.h"
#include "device/gpu/edid.h"
#include "device/gpu/gpu-private.h"
#include "device/gpu/journal.h"
#include "display/surface.h"
#include "display/view.h"

/* What no scanout shows any more is as large as its quota says. */
static void rest(struct gpu *gpu, struct surface *surface)
{
        bool shown = false;

        for (unsigned i = 0; i < gpu->n_scanouts; i++)
                shown |= gpu->scanouts[i].shown == surface;
        if (surface && !shown)
                surface_set_idle(surface, true);
}

/* Return: what was shown until now. */
static struct surface *clear(struct gpu_scanout *s)
{
        struct surface *old = s->shown;

        s->shown = NULL;
        s->resource = NULL;
        s->waits = false;
        s->saved.shown.header.type = 0;
        (void) view_show(s->view, NULL, NULL);
        return old;
}

static void hide(struct gpu *gpu, struct gpu_scanout *s) { rest(gpu, clear(s)); }

/* Return: false if there is no memory. */
static bool show(struct gpu *gpu, struct gpu_scanout *s, struct surface *surface, const struct rectangle *source)
{
        struct surface *old = s->shown;

        surface_set_idle(surface, false);
        if (view_show(s->view, surface, source) < 0) {
                rest(gpu, surface);
                return false;
        }
        s->shown = surface;
        rest(gpu, old);
        return true;
}

void gpu_scanouts_drop(struct gpu *gpu, const struct surface *s)
{
        for (unsigned i = 0; i < gpu->n_scanouts; i++)
                if (gpu->scanouts[i].shown == s) {
                        gpu->scanouts[i].shown = NULL;
                        (void) view_show(gpu->scanouts[i].view, NULL, NULL);
                }
}

/* Of its own surface nothing is to be completed; a scanout that waits for its first flush still shows another's. */
uint32_t gpu_scanouts_forget(struct gpu *gpu, const struct gpu_resource *resource)
{
        uint32_t result = 0;

        for (unsigned i = 0; i < gpu->n_scanouts && result == 0; i++)
                if (gpu->scanouts[i].resource == resource && gpu->scanouts[i].shown != resource->surface)
                        result = gpu_complete(gpu, gpu->scanouts[i].shown);
        for (unsigned i = 0; i < gpu->n_scanouts && result == 0; i++)
                if (gpu->scanouts[i].resource == resource) {
                        struct surface *old = clear(&gpu->scanouts[i]);

                        if (old != resource->surface)
                                rest(gpu, old);
                        gpu_journal_scanouts(gpu);
                }
        return result;
}

void gpu_scanouts_clear(struct gpu *gpu)
{
        for (unsigned i = 0; i < gpu->n_scanouts; i++) {
                (void) clear(&gpu->scanouts[i]);
                (void) view_set_cursor(gpu->scanouts[i].view, NULL, 0, 0);
                gpu->scanouts[i].cursor_hot_x = gpu->scanouts[i].cursor_hot_y = 0;
                gpu->scanouts[i].saved = (struct gpu_saved) { 0 };
        }
}

/* Side by side, in the order of their numbers. */
uint32_t gpu_get_display_info(struct gpu *gpu, struct gpu_command *c)
{
        uint32_t x = 0;

        for (unsigned i = 0; i < gpu->n_scanouts; i++) {
                struct view_mode mode = view_get_mode(gpu->scanouts[i].view);

                c->response.display_info.pmodes[i] = (struct virtio_gpu_display_one) {
                        .r = { .x = htole32(x), .width = htole32(mode.width), .height = htole32(mode.height) },
                        .enabled = htole32(1),
                };
                x += mode.width;
        }
        c->n_response_bytes = sizeof(c->response.display_info);
        return VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
}

uint32_t gpu_get_edid(struct gpu *gpu, struct gpu_command *c)
{
        uint32_t i = le32toh(c->request.get_edid.scanout);
        struct edid_display display;
        struct view_mode mode;

        static_assert(EDID_BYTES_MAX <= sizeof(c->response.edid.edid), "the response has room for it");
        if (i >= gpu->n_scanouts)
                return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
        mode = view_get_mode(gpu->scanouts[i].view);
        display = (struct edid_display) { .name = view_name(gpu->scanouts[i].view), .serial = i + 1,
                                          .width = mode.width, .height = mode.height, .rate_hz = mode.rate_hz };
        c->response.edid.size = htole32((uint32_t) edid_make(&display, c->response.edid.edid));
        c->n_response_bytes = sizeof(c->response.edid);
        return VIRTIO_GPU_RESP_OK_EDID;
}

uint32_t gpu_set_scanout(struct gpu *gpu, struct gpu_command *c)
{
        uint32_t i = le32toh(c->request.set_scanout.scanout_id), id = le32toh(c->request.set_scanout.resource_id);
        struct rectangle source = gpu_rectangle(&c->request.set_scanout.r);
        struct gpu_resource *resource;
        uint32_t result;

        if (i >= gpu->n_scanouts)
                return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
        result = gpu_complete(gpu, gpu->scanouts[i].shown);
        if (result)
                return result;
        if (id == 0) {
                hide(gpu, &gpu->scanouts[i]);
                gpu_journal_scanouts(gpu);
                return VIRTIO_GPU_RESP_OK_NODATA;
        }
        resource = gpu_resource_find(gpu, id);
        if (!resource)
                return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
        if (resource->blob || rectangle_is_empty(&source) ||
            !rectangle_fits(&source, resource->layout.width, resource->layout.height))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        if (!resource->surface) {
                result = gpu_surface_new(gpu, &resource->layout, &resource->surface);
                if (result)
                        return result;
        }
        result = gpu_complete(gpu, resource->surface);
        if (result)
                return result;
        if (!resource->rendered && !show(gpu, &gpu->scanouts[i], resource->surface, &source))
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        gpu->scanouts[i].resource = resource;
        gpu->scanouts[i].source = source;
        gpu->scanouts[i].waits = resource->rendered;
        /* What a render process draws no successor has: it begins with nothing. */
        if (resource->rendered)
                gpu->scanouts[i].saved.shown.header.type = 0;
        else
                gpu->scanouts[i].saved.shown.set = c->request.set_scanout;
        gpu_journal_scanouts(gpu);
        return VIRTIO_GPU_RESP_OK_NODATA;
}

/* Return: false if this is no picture within the blob. */
static bool read_layout(const struct virtio_gpu_set_scanout_blob *in, uint64_t blob_bytes, struct gpu_layout *ret)
{
        struct gpu_layout l = { .format = le32toh(in->format), .width = le32toh(in->width),
                                .height = le32toh(in->height), .stride_bytes = le32toh(in->strides[0]),
                                .offset_bytes = le32toh(in->offsets[0]) };
        pixman_format_code_t format;

        if (!gpu_format(l.format, &format) || l.width == 0 || l.width > GPU_PIXELS_MAX || l.height == 0 ||
            l.height > GPU_PIXELS_MAX || l.stride_bytes < l.width * GPU_PIXEL_BYTES)
                return false;
        if (!range_fits(l.offset_bytes, (uint64_t) l.stride_bytes * (l.height - 1) + l.width * GPU_PIXEL_BYTES,
                        blob_bytes))
                return false;
        *ret = l;
        return true;
}

static bool layouts_equal(const struct gpu_layout *a, const struct gpu_layout *b)
{
        return a->format == b->format && a->width == b->width && a->height == b->height &&
               a->stride_bytes == b->stride_bytes && a->offset_bytes == b->offset_bytes;
}

static bool shown_elsewhere(const struct gpu *gpu, const struct gpu_resource *resource, uint32_t scanout)
{
        for (unsigned i = 0; i < gpu->n_scanouts; i++)
                if (i != scanout && gpu->scanouts[i].resource == resource)
                        return true;
        return false;
}

/* A blob has one layout at a time, and a surface that fits it. Return: 0 or a RESP_ERR. */
static uint32_t set_layout(struct gpu *gpu, struct gpu_resource *resource, const struct gpu_layout *layout,
                           uint32_t scanout)
{
        struct surface *surface;
        uint32_t result;

        if (resource->surface && layouts_equal(&resource->layout, layout))
                return 0;
        if (shown_elsewhere(gpu, resource, scanout))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        result = gpu_surface_new(gpu, layout, &surface);
        if (result)
                return result;
        gpu_surface_drop(gpu, &resource->surface);
        resource->surface = surface;
        resource->layout = *layout;
        return 0;
}

uint32_t gpu_set_scanout_blob(struct gpu *gpu, struct gpu_command *c)
{
        const struct virtio_gpu_set_scanout_blob *in = &c->request.set_scanout_blob;
        uint32_t i = le32toh(in->scanout_id), id = le32toh(in->resource_id), result;
        struct rectangle source = gpu_rectangle(&in->r);
        struct gpu_resource *resource;
        struct gpu_layout layout;

        if (i >= gpu->n_scanouts)
                return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
        if (id == 0) {
                result = gpu_complete(gpu, gpu->scanouts[i].shown);
                if (result)
                        return result;
                hide(gpu, &gpu->scanouts[i]);
                gpu_journal_scanouts(gpu);
                return VIRTIO_GPU_RESP_OK_NODATA;
        }
        resource = gpu_resource_find(gpu, id);
        if (!resource)
                return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
        if (!resource->blob || !read_layout(in, resource->blob_bytes, &layout) || rectangle_is_empty(&source) ||
            !rectangle_fits(&source, layout.width, layout.height))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        result = set_layout(gpu, resource, &layout, i);
        if (result)
                return result;
        gpu->scanouts[i].resource = resource;
        gpu->scanouts[i].source = source;
        gpu->scanouts[i].waits = true;
        gpu->scanouts[i].saved.shown.set_blob = *in;
        gpu_journal_scanouts(gpu);
        return VIRTIO_GPU_RESP_OK_NODATA;
}

static bool contains(const struct rectangle *outer, const struct rectangle *inner)
{
        return inner->x >= outer->x && inner->width <= outer->width &&
               inner->x - outer->x <= outer->width - inner->width &&
               inner->y >= outer->y && inner->height <= outer->height &&
               inner->y - outer->y <= outer->height - inner->height;
}

/* Brings the surface of a blob or a rendered resource up to date: @r, or all where a scanout waits for more. */
static uint32_t fetch(struct gpu *gpu, const struct space *space, struct gpu_resource *resource,
                      const struct rectangle *r)
{
        const struct gpu_layout *l = &resource->layout;
        struct rectangle area = *r;

        for (unsigned i = 0; i < gpu->n_scanouts; i++) {
                const struct gpu_scanout *s = &gpu->scanouts[i];

                if (s->resource == resource && s->waits && !contains(r, &s->source))
                        area = (struct rectangle) { 0, 0, l->width, l->height };
        }
        if (resource->rendered)
                return gpu_3d_fetch(gpu, space, resource, &area);
        return gpu_copy(gpu, space, &resource->backing, l->stride_bytes, resource->surface, &area,
                        l->offset_bytes + (uint64_t) area.y * l->stride_bytes + (uint64_t) area.x * GPU_PIXEL_BYTES);
}

/* What a flush shows, and what is shown until then. */
static uint32_t complete_shown(struct gpu *gpu, const struct gpu_resource *resource)
{
        uint32_t result = gpu_complete(gpu, resource->surface);

        for (unsigned i = 0; i < gpu->n_scanouts && result == 0; i++)
                if (gpu->scanouts[i].resource == resource)
                        result = gpu_complete(gpu, gpu->scanouts[i].shown);
        return result;
}

uint32_t gpu_flush(struct gpu *gpu, struct gpu_command *c)
{
        struct gpu_resource *resource = gpu_resource_find(gpu, le32toh(c->request.flush.resource_id));
        struct rectangle r = gpu_rectangle(&c->request.flush.r);
        uint32_t result;

        if (!resource)
                return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
        if (!resource->surface) /* a blob or rendered one that was never on a scanout */
                return VIRTIO_GPU_RESP_OK_NODATA;
        if (!rectangle_fits(&r, resource->layout.width, resource->layout.height))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        if (rectangle_is_empty(&r) || !shown_elsewhere(gpu, resource, UINT32_MAX))
                return VIRTIO_GPU_RESP_OK_NODATA;
        if (resource->blob || resource->rendered) {
                result = fetch(gpu, c->space, resource, &r);
                if (result)
                        return result;
        }
        result = complete_shown(gpu, resource);
        if (result)
                return result;
        for (unsigned i = 0; i < gpu->n_scanouts; i++) {
                struct gpu_scanout *s = &gpu->scanouts[i];

                if (s->resource != resource)
                        continue;
                if (!s->waits)
                        view_flush(s->view, &r);
                else if (!show(gpu, s, resource->surface, &s->source))
                        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
                s->waits = false;
        }
        return VIRTIO_GPU_RESP_OK_NODATA;
}
