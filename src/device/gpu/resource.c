/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The table of a guest's resources, and what they may cost the server: their number, the bytes of their pictures, the
 * entries of their backings. A request beyond a quota is answered with OUT_OF_MEMORY and changes nothing.
 *
 * A 2D resource has its picture from the start. A blob's pixels are the guest's own memory, a rendered one's its render
 * process's; they get a picture when they are scanned out.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/macros.h"
#include "device/gpu/gpu-private.h"
#include "device/gpu/journal.h"
#include "display/picture.h"
#include "display/surface.h"

static struct gpu_resource **bucket_of(struct gpu *gpu, uint32_t id)
{
        /* Guests count up. One who picks ids to collide makes his own table slow, within his quota. */
        return &gpu->buckets[id % GPU_RESOURCE_BUCKETS];
}

struct gpu_resource *gpu_resource_find(struct gpu *gpu, uint32_t id)
{
        struct gpu_resource *resource = *bucket_of(gpu, id);

        while (resource && resource->id != id)
                resource = resource->next;
        return resource;
}

uint32_t gpu_resource_new(struct gpu *gpu, uint32_t id, struct gpu_resource **ret)
{
        struct gpu_resource *resource, **bucket = bucket_of(gpu, id);

        if (id == 0 || gpu_resource_find(gpu, id))
                return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
        if (gpu->n_resources == gpu->max_resources)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        resource = calloc(1, sizeof(*resource));
        if (!resource)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        resource->id = id;
        resource->next = *bucket;
        *bucket = resource;
        gpu->n_resources++;
        *ret = resource;
        return 0;
}

void gpu_resource_free(struct gpu *gpu, struct gpu_resource *resource)
{
        struct gpu_resource **at = bucket_of(gpu, resource->id);

        while (*at != resource)
                at = &(*at)->next;
        *at = resource->next;
        gpu->n_resources--;
        if (resource->rendered)
                gpu_3d_forget(gpu, resource);
        gpu_surface_drop(gpu, &resource->surface);
        gpu_backing_drop(gpu, &resource->backing);
        free(resource);
}

void gpu_resources_clear(struct gpu *gpu)
{
        for (size_t i = 0; i < GPU_RESOURCE_BUCKETS; i++)
                while (gpu->buckets[i])
                        gpu_resource_free(gpu, gpu->buckets[i]);
}

bool gpu_format(uint32_t format, pixman_format_code_t *ret)
{
        /* virtio names bytes in the order of their addresses, pixman the bits of a little-endian word from the top. */
        static const struct {
                uint32_t format;
                pixman_format_code_t pixman;
        } formats[] = {
                { VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, PIXMAN_a8r8g8b8 },
                { VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, PIXMAN_x8r8g8b8 },
                { VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, PIXMAN_b8g8r8a8 },
                { VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, PIXMAN_b8g8r8x8 },
                { VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, PIXMAN_a8b8g8r8 },
                { VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, PIXMAN_r8g8b8x8 },
                { VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, PIXMAN_r8g8b8a8 },
                { VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, PIXMAN_x8b8g8r8 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
                if (formats[i].format == format) {
                        *ret = formats[i].pixman;
                        return true;
                }
        return false;
}

uint32_t gpu_surface_new(struct gpu *gpu, const struct gpu_layout *layout, struct surface **ret)
{
        uint64_t least = (uint64_t) layout->width * layout->height * GPU_PIXEL_BYTES; /* without padding of rows */
        pixman_format_code_t format;
        struct picture *p;
        int r;

        if (!gpu_format(layout->format, &format))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        if (least > gpu->max_bytes - gpu->n_bytes)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        r = picture_new(format, layout->width, layout->height, &p);
        if (r < 0)
                return r == -ENOMEM ? VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY : VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        if (p->size_bytes > gpu->max_bytes - gpu->n_bytes) {
                picture_unref(p);
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        }
        if (surface_new(p, ret) < 0)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        surface_set_idle(*ret, true);
        gpu->n_bytes += surface_size_bytes(*ret);
        return 0;
}

void gpu_surface_drop(struct gpu *gpu, struct surface **s)
{
        if (*s) {
                gpu_scanouts_drop(gpu, *s);
                gpu->n_bytes -= surface_size_bytes(*s);
        }
        *s = surface_unref(*s);
}

uint32_t gpu_create_2d(struct gpu *gpu, struct gpu_command *c)
{
        const struct virtio_gpu_resource_create_2d *in = &c->request.create_2d;
        struct gpu_layout layout = { .format = le32toh(in->format), .width = le32toh(in->width),
                                     .height = le32toh(in->height) };
        struct gpu_resource *resource;
        uint32_t result;

        if (layout.width == 0 || layout.width > GPU_PIXELS_MAX || layout.height == 0 || layout.height > GPU_PIXELS_MAX)
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        layout.stride_bytes = layout.width * GPU_PIXEL_BYTES;
        result = gpu_resource_new(gpu, le32toh(in->resource_id), &resource);
        if (result)
                return result;
        resource->layout = layout;
        result = gpu_surface_new(gpu, &layout, &resource->surface);
        if (result) {
                gpu_resource_free(gpu, resource);
                return result;
        }
        gpu_journal_add(gpu, resource);
        return VIRTIO_GPU_RESP_OK_NODATA;
}

/* Only guest memory; the others are objects of a renderer. What the driver is going to use it for does not matter. */
uint32_t gpu_create_blob(struct gpu *gpu, struct gpu_command *c)
{
        const struct virtio_gpu_resource_create_blob *in = &c->request.create_blob;
        uint32_t n_entries = le32toh(in->nr_entries), result;
        struct gpu_resource *resource;

        if (le32toh(in->blob_mem) != VIRTIO_GPU_BLOB_MEM_GUEST || le64toh(in->size) == 0)
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        result = gpu_resource_new(gpu, le32toh(in->resource_id), &resource);
        if (result)
                return result;
        resource->blob = true;
        resource->blob_bytes = le64toh(in->size);
        if (n_entries > 0)
                result = gpu_backing_read(gpu, c, sizeof(*in), n_entries, &resource->backing);
        if (result) {
                gpu_resource_free(gpu, resource);
                return result;
        }
        gpu_journal_add(gpu, resource);
        return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t gpu_unref(struct gpu *gpu, struct gpu_command *c)
{
        uint32_t id = le32toh(c->request.unref.resource_id), result;
        struct gpu_resource *resource = gpu_resource_find(gpu, id);
        bool rendered;

        if (!resource)
                return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
        result = gpu_scanouts_forget(gpu, resource);
        if (result)
                return result;
        gpu_cursors_forget(gpu, id);
        rendered = resource->rendered;
        gpu_resource_free(gpu, resource);
        if (!rendered)
                gpu_journal_remove(gpu, id);
        return VIRTIO_GPU_RESP_OK_NODATA;
}

/* A random one (RFC 9562, version 4). */
static bool make_uuid(uint8_t uuid[static 16])
{
        if (getrandom(uuid, 16, 0) != 16)
                return false;
        uuid[6] = (uuid[6] & 0x0f) | 0x40;
        uuid[8] = (uuid[8] & 0x3f) | 0x80;
        return true;
}

/* A resource keeps the one it has; that of a predecessor follows the command. */
uint32_t gpu_assign_uuid(struct gpu *gpu, struct gpu_command *c)
{
        struct gpu_resource *resource = gpu_resource_find(gpu, le32toh(c->request.assign_uuid.resource_id));
        const size_t n = sizeof(resource->uuid);

        if (!resource)
                return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
        if (!resource->has_uuid) {
                if (c->again ? chain_read(c->chain, sizeof(c->request.assign_uuid), resource->uuid, n) != n :
                               !make_uuid(resource->uuid))
                        return VIRTIO_GPU_RESP_ERR_UNSPEC;
                resource->has_uuid = true;
                gpu_journal_uuid(gpu, resource);
        }
        memcpy(c->response.uuid.uuid, resource->uuid, n);
        c->n_response_bytes = sizeof(c->response.uuid);
        return VIRTIO_GPU_RESP_OK_RESOURCE_UUID;
}
