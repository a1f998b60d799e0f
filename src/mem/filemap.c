/* SPDX-License-Identifier: MPL-2.0 */
#include "mem/filemap.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "mem/sigbus.h"

int filemap_open(int fd, uint64_t offset_bytes, uint64_t size_bytes, atomic_bool *damaged, struct filemap *ret)
{
        uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE);
        uint64_t slack = offset_bytes & (page - 1), end;
        struct stat st;
        void *map;
        int handle;

        if (size_bytes == 0 || add_overflows(offset_bytes, size_bytes, &end) || size_bytes > SIZE_MAX - page ||
            end > INT64_MAX)
                return -EINVAL;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (end > (uint64_t) st.st_size)
                return -EINVAL;

        map = mmap(NULL, size_bytes + slack, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
                   (off_t) (offset_bytes - slack));
        if (map == MAP_FAILED)
                return -errno;
        (void) madvise(map, size_bytes + slack, MADV_DONTDUMP);
        handle = sigbus_register(map, size_bytes + slack, damaged);
        if (handle < 0) {
                (void) munmap(map, size_bytes + slack);
                return handle;
        }
        *ret = (struct filemap) { .start = (char *) map + slack, .map = map, .map_bytes = size_bytes + slack,
                                  .sigbus_handle = handle };
        return 0;
}

void filemap_close(struct filemap *m)
{
        if (!m->start)
                return;
        sigbus_unregister(m->sigbus_handle);
        (void) munmap(m->map, m->map_bytes);
        *m = (struct filemap) { 0 };
}
