/* SPDX-License-Identifier: MPL-2.0 */
#include "mem/space.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/macros.h"
#include "mem/filemap.h"

struct region {
        struct region_spec spec;
        int fd;     /* owned: the file mapped */
        char *host; /* of spec.start */
        struct filemap map;
};

struct space {
        struct region regions[SPACE_REGIONS_MAX]; /* sorted by start */
        size_t n_regions;
        atomic_bool damaged;

        struct filemap log_map;
        _Atomic uint8_t *log; /* in log_map; NULL: no log */
        uint64_t n_log_pages;
};

int space_new(struct space **ret)
{
        struct space *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        *ret = s;
        return 0;
}

struct space *space_free(struct space *s)
{
        if (!s)
                return NULL;
        space_clear(s);
        (void) space_set_log(s, -1, 0, 0);
        free(s);
        return NULL;
}

static bool overlap(uint64_t a, uint64_t n_a, uint64_t b, uint64_t n_b)
{
        return a < b ? n_a > b - a : n_b > a - b;
}

int space_add(struct space *s, const struct region_spec *spec, int fd)
{
        struct region region = { .spec = *spec };
        uint64_t end;
        size_t at = 0;
        int r;

        if (spec->size_bytes == 0 || add_overflows(spec->start, spec->size_bytes, &end) ||
            add_overflows(spec->user_address, spec->size_bytes, &end))
                return -EINVAL;
        for (size_t i = 0; i < s->n_regions; i++) {
                const struct region_spec *other = &s->regions[i].spec;

                if (overlap(spec->start, spec->size_bytes, other->start, other->size_bytes) ||
                    overlap(spec->user_address, spec->size_bytes, other->user_address, other->size_bytes))
                        return -EEXIST;
                if (other->start < spec->start)
                        at = i + 1;
        }
        if (s->n_regions == SPACE_REGIONS_MAX)
                return -ENOSPC;

        region.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (region.fd < 0)
                return -errno;
        r = filemap_open(fd, spec->fd_offset_bytes, spec->size_bytes, &s->damaged, &region.map);
        if (r < 0) {
                (void) close(region.fd);
                return r;
        }
        region.host = region.map.start;
        for (size_t i = s->n_regions; i > at; i--)
                s->regions[i] = s->regions[i - 1];
        s->regions[at] = region;
        s->n_regions++;
        return 0;
}

static void region_close(struct region *region)
{
        filemap_close(&region->map);
        (void) close(region->fd);
}

int space_remove(struct space *s, const struct region_spec *spec)
{
        for (size_t i = 0; i < s->n_regions; i++) {
                const struct region_spec *other = &s->regions[i].spec;

                if (other->start != spec->start || other->size_bytes != spec->size_bytes ||
                    other->user_address != spec->user_address)
                        continue;
                region_close(&s->regions[i]);
                s->n_regions--;
                for (size_t k = i; k < s->n_regions; k++)
                        s->regions[k] = s->regions[k + 1];
                return 0;
        }
        return -ENOENT;
}

void space_clear(struct space *s)
{
        for (size_t i = 0; i < s->n_regions; i++)
                region_close(&s->regions[i]);
        s->n_regions = 0;
        atomic_store(&s->damaged, false);
}

size_t space_n_regions(const struct space *s)
{
        return s->n_regions;
}

int space_region(const struct space *s, size_t i, struct region_spec *ret)
{
        assert(i < s->n_regions);
        *ret = s->regions[i].spec;
        return s->regions[i].fd;
}

/* The region that holds an address, or NULL. Few regions: a walk costs less than a search. */
static inline const struct region *find(const struct space *s, gpa_t at)
{
        for (size_t i = 0; i < s->n_regions; i++)
                if (at - s->regions[i].spec.start < s->regions[i].spec.size_bytes)
                        return &s->regions[i];
        return NULL;
}

int space_iov(const struct space *s, gpa_t start, uint64_t len_bytes, struct iovec *iov, size_t n_max)
{
        size_t n = 0;

        while (len_bytes > 0) {
                const struct region *region = find(s, start);
                uint64_t offset, piece;

                if (!region)
                        return -EBADMSG;
                if (n == n_max)
                        return -E2BIG;
                offset = start - region->spec.start;
                piece = MIN(len_bytes, region->spec.size_bytes - offset);
                iov[n++] = (struct iovec) { region->host + offset, piece };
                len_bytes -= piece;
                /* The last region may end at 2^64: then an address that wraps to 0 must not be followed. */
                if (add_overflows(start, piece, &start) && len_bytes > 0)
                        return -EBADMSG;
        }
        return (int) n;
}

bool space_window(const struct space *s, gpa_t at, struct space_window *ret)
{
        const struct region *region = find(s, at);

        if (!region)
                return false;
        *ret = (struct space_window) { region->spec.start, region->spec.size_bytes, region->host };
        return true;
}

void *space_pointer(const struct space *s, gpa_t start, uint64_t len_bytes, size_t align)
{
        struct iovec iov;

        if (space_iov(s, start, len_bytes, &iov, 1) != 1 || ((uintptr_t) iov.iov_base & (align - 1)) != 0)
                return NULL;
        return iov.iov_base;
}

int space_from_user(const struct space *s, uint64_t user_address, gpa_t *ret)
{
        for (size_t i = 0; i < s->n_regions; i++) {
                const struct region_spec *spec = &s->regions[i].spec;

                if (user_address - spec->user_address < spec->size_bytes) {
                        *ret = spec->start + (user_address - spec->user_address);
                        return 0;
                }
        }
        return -EBADMSG;
}

int space_from_pointer(const struct space *s, const void *pointer, gpa_t *ret)
{
        for (size_t i = 0; i < s->n_regions; i++) {
                uintptr_t offset = (uintptr_t) pointer - (uintptr_t) s->regions[i].host;

                if (offset < s->regions[i].spec.size_bytes) {
                        *ret = s->regions[i].spec.start + offset;
                        return 0;
                }
        }
        return -ENOENT;
}

int space_set_log(struct space *s, int fd, uint64_t offset_bytes, uint64_t size_bytes)
{
        struct filemap map = { 0 };
        int r;

        if (fd >= 0) {
                r = filemap_open(fd, offset_bytes, size_bytes, &s->damaged, &map);
                if (r < 0)
                        return r;
        }
        filemap_close(&s->log_map);
        s->log_map = map;
        s->log = (_Atomic uint8_t *) map.start;
        s->n_log_pages = size_bytes > UINT64_MAX / 8 ? UINT64_MAX : size_bytes * 8;
        return 0;
}

bool space_logs(const struct space *s)
{
        return s->log != NULL;
}

void space_mark_dirty(struct space *s, gpa_t start, uint64_t len_bytes)
{
        uint64_t first = start / SPACE_LOG_PAGE_BYTES, last;

        if (!s->log || len_bytes == 0)
                return;
        last = (start + MIN(len_bytes - 1, UINT64_MAX - start)) / SPACE_LOG_PAGE_BYTES;
        for (uint64_t page = first; page <= last && page < s->n_log_pages; page++)
                atomic_fetch_or(&s->log[page / 8], (uint8_t) (1U << (page % 8)));
}

bool space_damaged(const struct space *s)
{
        return atomic_load_explicit(&s->damaged, memory_order_relaxed);
}
