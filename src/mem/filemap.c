/* SPDX-License-Identifier: MPL-2.0 */
#include "mem/filemap.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/reaper.h"
#include "mem/sigbus.h"

/* Huge pages are mapped and unmapped whole; a file's block size is the size of its pages then, and at least no
   hindrance otherwise. */
static uint64_t map_unit(const struct stat *st)
{
        uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE), block = (uint64_t) st->st_blksize;

        return block > page && block <= (UINT64_C(1) << 30) && (block & (block - 1)) == 0 ? block : page;
}

int filemap_open(int fd, uint64_t offset_bytes, uint64_t size_bytes, atomic_bool *damaged, struct filemap *ret)
{
        uint64_t unit, slack, map_bytes, end;
        struct stat st;
        void *map;
        int handle;

        if (size_bytes == 0 || add_overflows(offset_bytes, size_bytes, &end) || end > INT64_MAX)
                return -EINVAL;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (end > (uint64_t) st.st_size)
                return -EINVAL;

        unit = map_unit(&st);
        slack = offset_bytes & (unit - 1);
        map_bytes = (size_bytes + slack + unit - 1) & ~(unit - 1);
        map = mmap(NULL, map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
                   (off_t) (offset_bytes - slack));
        if (map == MAP_FAILED)
                return -errno;
        (void) madvise(map, map_bytes, MADV_DONTDUMP);
        handle = sigbus_register(map, map_bytes, damaged);
        if (handle < 0) {
                (void) munmap(map, map_bytes);
                return handle;
        }
        *ret = (struct filemap) { .start = (char *) map + slack, .map = map, .map_bytes = map_bytes,
                                  .sigbus_handle = handle };
        return 0;
}

void filemap_close(struct filemap *m)
{
        if (!m->start)
                return;
        sigbus_unregister(m->sigbus_handle);
        reaper_unmap(m->map, m->map_bytes);
        *m = (struct filemap) { 0 };
}
