/* SPDX-License-Identifier: MPL-2.0 */
#include "device/gpu/journal.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "device/gpu/gpu-private.h"
#include "mem/filemap.h"

#define MAGIC UINT64_C(0x3155504742) /* "BGPU1" */

/* A half is filled anew when it has this much, and twice what it had then. */
#define TIDY_BYTES (64u << 10)

/* Of a resource beside its entries: three commands and the lengths in front of them. */
#define RESOURCE_BYTES 256

struct head {
        uint64_t magic;
        uint64_t half_bytes; /* the quotas' consequence: another one's file is not ours */
        uint64_t word;       /* bit 63: which scanouts; bit 62: which half; the rest: bytes used of it */
        uint64_t unused[5];
};

#define WORD_SCANOUTS (UINT64_C(1) << 63)
#define WORD_HALF (UINT64_C(1) << 62)

struct scanouts {
        struct gpu_saved saved[GPU_SCANOUTS_MAX];
};

struct gpu_journal {
        struct filemap map;
        atomic_bool damaged;
        struct head *head;          /* in the map, as are: */
        struct scanouts *scanouts;  /* two */
        char *halves;               /* two */
        uint64_t word;              /* as in the head; what is there is read once only */
        uint64_t half_bytes, tidy_bytes;
        bool waits;
        struct {
                uint64_t command;               /* where the next one is in its half */
                size_t bucket;                  /* of the table, after the one of: */
                struct gpu_resource *resource;  /* whose pixels come next; borrowed; NULL: the next bucket's first */
                unsigned scanout;               /* that is next */
                struct scanouts scanouts;       /* read once */
        } resumed; /* while gpu->resumes: how far it came */
};

static char *half_of(const struct gpu_journal *j, uint64_t word)
{
        return j->halves + (word & WORD_HALF ? j->half_bytes : 0);
}

static uint64_t used_of(uint64_t word) { return word & ~(WORD_SCANOUTS | WORD_HALF); }

static void commit(struct gpu_journal *j, uint64_t word)
{
        j->word = word;
        __atomic_store_n(&j->head->word, word, __ATOMIC_RELEASE);
}

/* ---- writing commands ---- */

/* A place in a half that is being written. */
struct pen {
        char *at, *end;
};

/* Return: room for a command, after its length; NULL if there is none. */
static void *put(struct pen *pen, uint32_t type, size_t n_bytes)
{
        struct virtio_gpu_ctrl_hdr header = { .type = htole32(type) };
        uint64_t length = n_bytes;
        char *at = pen->at;

        if (!at || (size_t) (pen->end - at) < sizeof(length) + n_bytes) {
                pen->at = NULL;
                return NULL;
        }
        memcpy(at, &length, sizeof(length));
        memset(at + sizeof(length), 0, n_bytes);
        memcpy(at + sizeof(length), &header, sizeof(header));
        pen->at = at + sizeof(length) + (n_bytes + 7) / 8 * 8;
        if (pen->at > pen->end)
                pen->at = NULL;
        return pen->at ? at + sizeof(length) : NULL;
}

static void put_create(struct pen *pen, const struct gpu_resource *r)
{
        if (r->blob) {
                struct virtio_gpu_resource_create_blob *c = put(pen, VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, sizeof(*c));

                if (!c)
                        return;
                c->resource_id = htole32(r->id);
                c->blob_mem = htole32(VIRTIO_GPU_BLOB_MEM_GUEST);
                c->size = htole64(r->blob_bytes);
        } else {
                struct virtio_gpu_resource_create_2d *c = put(pen, VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, sizeof(*c));

                if (!c)
                        return;
                c->resource_id = htole32(r->id);
                c->format = htole32(r->layout.format);
                c->width = htole32(r->layout.width);
                c->height = htole32(r->layout.height);
        }
}

static void put_attach(struct pen *pen, const struct gpu_resource *r)
{
        const struct gpu_backing *b = &r->backing;
        struct virtio_gpu_resource_attach_backing *c;
        struct virtio_gpu_mem_entry *entries;

        c = put(pen, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, sizeof(*c) + b->n_extents * sizeof(*entries));
        if (!c)
                return;
        entries = (void *) (c + 1);
        c->resource_id = htole32(r->id);
        c->nr_entries = htole32(b->n_extents);
        for (uint32_t i = 0; i < b->n_extents; i++) {
                uint64_t end = i + 1 < b->n_extents ? b->extents[i + 1].offset_bytes : b->size_bytes;

                entries[i].addr = htole64(b->extents[i].address);
                entries[i].length = htole32((uint32_t) (end - b->extents[i].offset_bytes));
        }
}

/* With the one that it got: a guest's command cannot say that. */
static void put_uuid(struct pen *pen, const struct gpu_resource *r)
{
        struct virtio_gpu_resource_assign_uuid *c;

        c = put(pen, VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, sizeof(*c) + sizeof(r->uuid));
        if (!c)
                return;
        c->resource_id = htole32(r->id);
        memcpy(c + 1, r->uuid, sizeof(r->uuid));
}

static void put_resource(struct pen *pen, const struct gpu_resource *r)
{
        put_create(pen, r);
        if (r->backing.extents)
                put_attach(pen, r);
        if (r->has_uuid)
                put_uuid(pen, r);
}

static void put_by_id(struct pen *pen, uint32_t type, uint32_t id)
{
        struct virtio_gpu_resource_unref *c = put(pen, type, sizeof(*c));

        if (c)
                c->resource_id = htole32(id);
}

/* Fills the other half with what there is. There is room: a half is made for all that the quotas allow, twice. */
static void tidy(struct gpu *gpu)
{
        struct gpu_journal *j = gpu->journal;
        uint64_t word = j->word ^ WORD_HALF, n_bytes;
        struct pen pen = { half_of(j, word), half_of(j, word) + j->half_bytes };

        for (size_t i = 0; i < GPU_RESOURCE_BUCKETS; i++)
                for (const struct gpu_resource *r = gpu->buckets[i]; r; r = r->next)
                        if (!r->rendered)
                                put_resource(&pen, r);
        n_bytes = pen.at ? (uint64_t) (pen.at - half_of(j, word)) : 0;
        j->tidy_bytes = MAX((uint64_t) TIDY_BYTES, 2 * n_bytes);
        commit(j, (word & (WORD_SCANOUTS | WORD_HALF)) | n_bytes);
}

static bool begin(const struct gpu *gpu, struct pen *ret)
{
        struct gpu_journal *j = gpu->journal;

        if (!j || gpu->resumes)
                return false;
        *ret = (struct pen) { half_of(j, j->word) + used_of(j->word), half_of(j, j->word) + j->half_bytes };
        return true;
}

/* What a render process holds ends with this server. */
static bool begin_for(const struct gpu *gpu, const struct gpu_resource *resource, struct pen *ret)
{
        return !resource->rendered && begin(gpu, ret);
}

/* All that is, the change included, goes to the other half when this one is full or worth it. */
static void end(struct gpu *gpu, const struct pen *pen)
{
        struct gpu_journal *j = gpu->journal;
        uint64_t n_bytes = pen->at ? (uint64_t) (pen->at - half_of(j, j->word)) : 0;

        if (!pen->at || n_bytes > j->tidy_bytes)
                tidy(gpu);
        else
                commit(j, (j->word & (WORD_SCANOUTS | WORD_HALF)) | n_bytes);
}

void gpu_journal_add(struct gpu *gpu, const struct gpu_resource *resource)
{
        struct pen pen;

        if (!begin_for(gpu, resource, &pen))
                return;
        put_resource(&pen, resource);
        end(gpu, &pen);
}

void gpu_journal_backing(struct gpu *gpu, const struct gpu_resource *resource)
{
        struct pen pen;

        if (!begin_for(gpu, resource, &pen))
                return;
        if (resource->backing.extents)
                put_attach(&pen, resource);
        else
                put_by_id(&pen, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, resource->id);
        end(gpu, &pen);
}

void gpu_journal_uuid(struct gpu *gpu, const struct gpu_resource *resource)
{
        struct pen pen;

        if (!begin_for(gpu, resource, &pen))
                return;
        put_uuid(&pen, resource);
        end(gpu, &pen);
}

void gpu_journal_remove(struct gpu *gpu, uint32_t id)
{
        struct pen pen;

        if (!begin(gpu, &pen))
                return;
        put_by_id(&pen, VIRTIO_GPU_CMD_RESOURCE_UNREF, id);
        end(gpu, &pen);
}

void gpu_journal_scanouts(struct gpu *gpu)
{
        struct gpu_journal *j = gpu->journal;
        uint64_t word;

        if (!j || gpu->resumes)
                return;
        word = j->word ^ WORD_SCANOUTS;
        for (unsigned i = 0; i < gpu->n_scanouts; i++)
                j->scanouts[word & WORD_SCANOUTS ? 1 : 0].saved[i] = gpu->scanouts[i].saved;
        commit(j, word);
}

/* ---- resuming ---- */

/* Has one command done as if the guest had sent it. */
static uint32_t redo(struct gpu *gpu, const struct space *space, void *command, size_t n_bytes)
{
        struct iovec iov = { command, n_bytes };
        struct chain chain = { .iov = &iov, .n_read = 1, .n_read_bytes = (uint32_t) n_bytes };
        struct gpu_command c = { .chain = &chain, .space = space, .again = true };

        return gpu_command_run(gpu, &c);
}

/* Between two of anything: one that was begun is cut for those who wait, as a command is, but not for the share. */
static bool must_pause(struct gpu *gpu) { return gpu_is_awaited(gpu) || !gpu_share_left(gpu); }

/* Stops at what is no command: whoever wrote that was not our predecessor. Return: false if it was cut. */
static bool redo_resources(struct gpu *gpu, const struct space *space)
{
        struct gpu_journal *j = gpu->journal;
        char *half = half_of(j, j->word);
        uint64_t used = used_of(j->word), at = j->resumed.command, length;

        while (at < used && range_fits(at, sizeof(length), used)) {
                memcpy(&length, half + at, sizeof(length));
                at += sizeof(length);
                if (length > UINT32_MAX || !range_fits(at, length, used))
                        break;
                if (redo(gpu, space, half + at, length) == GPU_CUT)
                        return false;
                at += (length + 7) / 8 * 8;
                j->resumed.command = at;
                if (must_pause(gpu))
                        return false;
        }
        j->resumed.command = used;
        return true;
}

/* Of a resource: from guest memory again. What is not there (any more) stays black. Return: false if it was cut. */
static bool transfer_again(struct gpu *gpu, const struct space *space, struct gpu_resource *r)
{
        const struct rectangle all = { 0, 0, r->layout.width, r->layout.height };

        return !r->surface || !r->backing.extents ||
               gpu_copy(gpu, space, &r->backing, r->layout.stride_bytes, r->surface, &all, 0) != GPU_CUT;
}

/* What was transferred before. The table does not change meanwhile. Return: false if it was cut. */
static bool transfer_all(struct gpu *gpu, const struct space *space)
{
        struct gpu_journal *j = gpu->journal;

        for (;;) {
                if (j->resumed.resource) {
                        if (!transfer_again(gpu, space, j->resumed.resource))
                                return false;
                        j->resumed.resource = j->resumed.resource->next;
                        if (must_pause(gpu))
                                return false;
                } else if (j->resumed.bucket < GPU_RESOURCE_BUCKETS) {
                        j->resumed.resource = gpu->buckets[j->resumed.bucket++];
                } else {
                        return true;
                }
        }
}

/* Return: false if it was cut; it may be done again from its start. */
static bool redo_scanout(struct gpu *gpu, const struct space *space, struct gpu_saved *saved, unsigned i)
{
        uint32_t type = le32toh(saved->shown.header.type), result = 0;

        saved->shown.set.scanout_id = saved->shown.set_blob.scanout_id = htole32(i);
        if (type == VIRTIO_GPU_CMD_SET_SCANOUT) {
                result = redo(gpu, space, &saved->shown.set, sizeof(saved->shown.set));
        } else if (type == VIRTIO_GPU_CMD_SET_SCANOUT_BLOB) {
                struct virtio_gpu_resource_flush flush = { .hdr.type = htole32(VIRTIO_GPU_CMD_RESOURCE_FLUSH),
                                                           .r = saved->shown.set_blob.r,
                                                           .resource_id = saved->shown.set_blob.resource_id };

                result = redo(gpu, space, &saved->shown.set_blob, sizeof(saved->shown.set_blob));
                if (result != GPU_CUT)
                        result = redo(gpu, space, &flush, sizeof(flush));
        }
        saved->cursor.pos.scanout_id = htole32(i);
        if (result != GPU_CUT && le32toh(saved->cursor.hdr.type) == VIRTIO_GPU_CMD_UPDATE_CURSOR)
                result = redo(gpu, space, &saved->cursor, sizeof(saved->cursor));
        return result != GPU_CUT;
}

static bool redo_scanouts(struct gpu *gpu, const struct space *space)
{
        struct gpu_journal *j = gpu->journal;

        for (; j->resumed.scanout < gpu->n_scanouts; j->resumed.scanout++)
                if (must_pause(gpu) ||
                    !redo_scanout(gpu, space, &j->resumed.scanouts.saved[j->resumed.scanout], j->resumed.scanout))
                        return false;
        return true;
}

bool gpu_journal_waits(const struct gpu *gpu) { return gpu->journal && gpu->journal->waits; }

void gpu_journal_begin(struct gpu *gpu)
{
        struct gpu_journal *j = gpu->journal;

        j->waits = false;
        memset(&j->resumed, 0, sizeof(j->resumed));
        j->resumed.scanouts = j->scanouts[j->word & WORD_SCANOUTS ? 1 : 0];
        gpu->resumes = true;
}

bool gpu_journal_resume(struct gpu *gpu, const struct space *space)
{
        if (!redo_resources(gpu, space) || !transfer_all(gpu, space) || !redo_scanouts(gpu, space))
                return false;
        gpu->resumes = false;
        tidy(gpu);
        gpu_journal_scanouts(gpu);
        log_info(gpu->dev.name, "%u resources of a predecessor are back", gpu->n_resources);
        return true;
}

/* ---- life ---- */

void gpu_journal_clear(struct gpu *gpu)
{
        struct gpu_journal *j = gpu->journal;
        uint64_t word;

        if (!j)
                return;
        j->waits = gpu->resumes = false;
        j->tidy_bytes = TIDY_BYTES;
        /* The scanouts that are to count are written before they do. */
        word = j->word ^ WORD_SCANOUTS;
        memset(&j->scanouts[word & WORD_SCANOUTS ? 1 : 0], 0, sizeof(*j->scanouts));
        commit(j, word & WORD_SCANOUTS);
}

/* A file of another size, or of other quotas, holds nothing for us. */
static bool is_ours(struct gpu_journal *j)
{
        uint64_t word = __atomic_load_n(&j->head->word, __ATOMIC_ACQUIRE);

        if (j->head->magic != MAGIC || j->head->half_bytes != j->half_bytes || used_of(word) > j->half_bytes)
                return false;
        j->word = word;
        return true;
}

int gpu_journal_open(struct gpu *gpu, int fd)
{
        uint64_t half_bytes = 2 * (gpu->max_extents * sizeof(struct virtio_gpu_mem_entry) +
                                   (uint64_t) gpu->max_resources * RESOURCE_BYTES);
        uint64_t file_bytes = sizeof(struct head) + 2 * sizeof(struct scanouts) + 2 * half_bytes;
        struct gpu_journal *j = calloc(1, sizeof(*j));
        struct stat st;
        int r = 0;

        if (!j)
                return -ENOMEM;
        if (fstat(fd, &st) < 0 || ((uint64_t) st.st_size != file_bytes &&
                                   (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t) file_bytes) < 0)))
                r = -errno;
        if (r == 0)
                r = filemap_open(fd, 0, file_bytes, &j->damaged, &j->map);
        if (r < 0) {
                free(j);
                return r;
        }
        j->head = (void *) j->map.start;
        j->scanouts = (void *) (j->head + 1);
        j->halves = (char *) (j->scanouts + 2);
        j->half_bytes = half_bytes;
        j->tidy_bytes = TIDY_BYTES;
        gpu->journal = j;
        if (is_ours(j)) {
                j->waits = true;
        } else {
                gpu_journal_clear(gpu);
                j->head->half_bytes = half_bytes;
                j->head->magic = MAGIC;
        }
        return 0;
}

void gpu_journal_close(struct gpu *gpu)
{
        if (!gpu->journal)
                return;
        filemap_close(&gpu->journal->map);
        free(gpu->journal);
        gpu->journal = NULL;
}
