/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The pieces of guest memory behind a resource. They are remembered as guest addresses, and become pointers for the
 * length of one copy: between two commands the front end may change the memory table. An address is therefore not
 * checked when it is attached, only when it is used.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "device/gpu/gpu-private.h"
#include "device/gpu/journal.h"

/* Entries that are copied out of the request at a time. */
#define BATCH 128

void gpu_backing_drop(struct gpu *gpu, struct gpu_backing *b)
{
        gpu->n_extents -= b->n_extents;
        free(b->extents);
        *b = (struct gpu_backing) { 0 };
}

/* Return: false if an entry is empty, or wraps. */
static bool add_entries(struct gpu_backing *b, const struct virtio_gpu_mem_entry *entries, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                gpa_t address = le64toh(entries[i].addr), end;
                uint32_t length = le32toh(entries[i].length);

                if (length == 0 || add_overflows(address, length, &end))
                        return false;
                b->extents[b->n_extents++] = (struct gpu_extent) { address, b->size_bytes };
                b->size_bytes += length; /* 2^32 entries of 2^32 bytes do not overflow */
        }
        return true;
}

uint32_t gpu_backing_read(struct gpu *gpu, const struct gpu_command *c, size_t offset, uint32_t n_entries,
                          struct gpu_backing *ret)
{
        struct virtio_gpu_mem_entry entries[BATCH];
        struct gpu_backing b = { 0 };
        uint32_t result = 0;

        /* So is the product: the chain holds less than 2^32 bytes. */
        if (n_entries == 0 || !range_fits(offset, (uint64_t) n_entries * sizeof(*entries), c->chain->n_read_bytes))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        if (n_entries > gpu->max_extents - gpu->n_extents)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        b.extents = malloc(n_entries * sizeof(*b.extents));
        if (!b.extents)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;

        while (result == 0 && b.n_extents < n_entries) {
                size_t n = MIN((size_t) (n_entries - b.n_extents), (size_t) BATCH);

                (void) chain_read(c->chain, offset, entries, n * sizeof(*entries));
                offset += n * sizeof(*entries);
                gpu->n_wakeup_bytes += n * sizeof(*entries);
                if (!add_entries(&b, entries, n))
                        result = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
                else if (b.n_extents < n_entries && gpu_is_awaited(gpu))
                        result = GPU_CUT;
        }
        if (result) {
                free(b.extents);
                return result;
        }
        gpu->n_extents += b.n_extents;
        *ret = b;
        return 0;
}

static uint64_t extent_end(const struct gpu_backing *b, uint32_t i)
{
        return i + 1 < b->n_extents ? b->extents[i + 1].offset_bytes : b->size_bytes;
}

/* The extent that holds an offset, which lies in the backing: the last one that begins at or before it. */
static uint32_t extent_find(const struct gpu_backing *b, uint64_t offset_bytes)
{
        uint32_t low = 0, high = b->n_extents;

        while (high - low > 1) {
                uint32_t middle = low + (high - low) / 2;

                if (b->extents[middle].offset_bytes <= offset_bytes)
                        low = middle;
                else
                        high = middle;
        }
        return low;
}

/* Copies what one memory region holds of a range of guest memory. Return: bytes; 0 if the address is in none. */
static uint64_t copy_piece(struct gpu_reader *r, gpa_t at, void *to, uint64_t n_bytes)
{
        if (at - r->window.start >= r->window.size_bytes && !space_window(r->space, at, &r->window))
                return 0;
        n_bytes = MIN(n_bytes, r->window.size_bytes - (at - r->window.start));
        memcpy(to, r->window.host + (at - r->window.start), n_bytes);
        return n_bytes;
}

uint32_t gpu_reader_copy(struct gpu_reader *r, uint64_t offset_bytes, void *to, uint64_t n_bytes)
{
        const struct gpu_backing *b = r->backing;
        char *out = to;

        if (n_bytes == 0)
                return 0;
        if (!range_fits(offset_bytes, n_bytes, b->size_bytes))
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        if (b->extents[r->extent].offset_bytes > offset_bytes || extent_end(b, r->extent) <= offset_bytes)
                r->extent = extent_find(b, offset_bytes);
        while (n_bytes > 0) {
                const struct gpu_extent *e;
                uint64_t n;

                if (r->slice_bytes >= GPU_SLICE_BYTES) {
                        if (gpu_is_awaited(r->gpu))
                                return GPU_CUT;
                        r->slice_bytes = 0;
                }
                if (extent_end(b, r->extent) == offset_bytes)
                        r->extent++;
                e = &b->extents[r->extent];
                n = MIN(n_bytes, extent_end(b, r->extent) - offset_bytes);
                n = MIN(n, GPU_SLICE_BYTES - r->slice_bytes);
                n = copy_piece(r, e->address + (offset_bytes - e->offset_bytes), out, n);
                if (n == 0)
                        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
                r->slice_bytes += MAX(n, (uint64_t) GPU_PIECE_BYTES_MIN);
                r->gpu->n_wakeup_bytes += n;
                out += n;
                offset_bytes += n;
                n_bytes -= n;
        }
        return 0;
}

uint32_t gpu_attach_backing(struct gpu *gpu, struct gpu_command *c)
{
        struct gpu_resource *resource = gpu_resource_find(gpu, le32toh(c->request.attach.resource_id));
        uint32_t result;

        if (!resource)
                return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
        if (resource->backing.extents)
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        result = gpu_backing_read(gpu, c, sizeof(c->request.attach), le32toh(c->request.attach.nr_entries),
                                  &resource->backing);
        if (result)
                return result;
        if (resource->rendered)
                return gpu_3d_attach(gpu, c->space, resource);
        gpu_journal_backing(gpu, resource);
        return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t gpu_detach_backing(struct gpu *gpu, struct gpu_command *c)
{
        struct gpu_resource *resource = gpu_resource_find(gpu, le32toh(c->request.detach.resource_id));

        if (!resource)
                return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
        if (!resource->backing.extents)
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        gpu_backing_drop(gpu, &resource->backing);
        if (resource->rendered)
                return gpu_3d_attach(gpu, c->space, resource);
        gpu_journal_backing(gpu, resource);
        return VIRTIO_GPU_RESP_OK_NODATA;
}
