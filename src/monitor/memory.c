/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The mapping: gap, first range, gap, second range, gap. Gaps are never accessible, so that an access that runs off
 * a range ends the process instead of reading its neighbour. Ranges begin at multiples of MEMORY_ALIGN_BYTES in the
 * process, in the file and in the guest, so that large pages can be used in all three.
 */
#include "monitor/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "monitor/fail.h"
#include "monitor/layout.h"
#include "monitor/vm.h"

#define MEMORY_ALIGN_BYTES (UINT64_C(2) << 20)
#define MEMORY_UNIT_BYTES (UINT64_C(1) << 20) /* as bundles have it */
#define PREFAULT_CHUNK_BYTES (UINT64_C(32) << 20)
#define PREFAULT_THREADS_MAX 16
#define MIB(bytes) ((unsigned long long) (bytes) >> 20)

static int lay_out(struct memory *m, uint64_t size_bytes, char **ret_error)
{
        uint64_t left_bytes = size_bytes, max_bytes = 0;

        if (size_bytes == 0 || size_bytes % MEMORY_UNIT_BYTES != 0)
                return fail(-EINVAL, ret_error, "memory must be a multiple of 1 MiB, %llu bytes are not",
                            (unsigned long long) size_bytes);
        for (size_t i = 0; i < MEMORY_RANGES_MAX && left_bytes > 0; i++) {
                uint64_t n = MIN(left_bytes, layout.ram[i].size_bytes_max);

                max_bytes += layout.ram[i].size_bytes_max;
                if (n == 0)
                        continue;
                m->ranges[m->n_ranges++] = (struct memory_range){
                        .start = layout.ram[i].start, .size_bytes = n, .offset_bytes = size_bytes - left_bytes
                };
                left_bytes -= n;
        }
        if (left_bytes > 0)
                return fail(-E2BIG, ret_error,
                            "%llu MiB of memory are more than the %llu MiB that a machine can have here",
                            MIB(size_bytes), MIB(max_bytes));
        return 0;
}

/* Maps the file's ranges with gaps. Return: 0 or a negative errno; what was mapped is m->map's. */
static int map_file(struct memory *m, int fd)
{
        struct statfs fs;
        uint64_t align, at;

        if (fstatfs(fd, &fs) < 0)
                return -errno;
        m->page_bytes = (uint64_t) fs.f_bsize;
        align = MAX(m->page_bytes, MEMORY_ALIGN_BYTES);

        m->map_bytes = 2 * align;
        for (size_t i = 0; i < m->n_ranges; i++)
                m->map_bytes += (m->ranges[i].size_bytes + align - 1) / align * align + align;
        m->map = mmap(NULL, m->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (m->map == MAP_FAILED) {
                m->map = NULL;
                return -errno;
        }
        at = ((uintptr_t) m->map + align - 1) / align * align + align;
        for (size_t i = 0; i < m->n_ranges; i++) {
                struct memory_range *range = &m->ranges[i];

                range->host = mmap(m->map + (at - (uintptr_t) m->map), range->size_bytes, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_FIXED, fd, (off_t) range->offset_bytes);
                if (range->host == MAP_FAILED) {
                        range->host = NULL;
                        return -errno;
                }
                if (madvise(range->host, range->size_bytes, MADV_DONTDUMP) < 0)
                        return -errno;
                at += (range->size_bytes + align - 1) / align * align + align;
        }
        return 0;
}

static void unmap(struct memory *m)
{
        if (m->map)
                (void) munmap(m->map, m->map_bytes);
        m->map = NULL;
}

static int make(struct memory *m, uint64_t size_bytes, unsigned flags)
{
        auto_cleanup(closep) int fd = fd_memfd_sealed_of("busbar-guest", size_bytes, flags);
        int r;

        r = fd < 0 ? fd : map_file(m, fd);
        if (r < 0)
                unmap(m);
        else
                m->fd = take_fd(&fd);
        return r;
}

int memory_init(struct memory *m, uint64_t size_bytes, bool huge_pages, char **ret_error)
{
        int r;

        *m = (struct memory){ .fd = -1 };
        r = lay_out(m, size_bytes, ret_error);
        /* Those from the pool of the host are reserved when they are mapped, so that a touch cannot fail later. */
        if (r < 0 || (huge_pages && make(m, size_bytes, MFD_HUGETLB) == 0))
                return r;
        r = make(m, size_bytes, 0);
        if (r < 0)
                return fail(r, ret_error, "mapping %llu MiB of memory: %s; a limit of the address space (ulimit -v) "
                            "or vm.overcommit_memory=2 may be in the way", MIB(size_bytes), strerror(-r));
        /* Refused where the host's /sys/kernel/mm/transparent_hugepage/shmem_enabled says never: small pages then. */
        for (size_t i = 0; i < m->n_ranges && huge_pages; i++)
                (void) madvise(m->ranges[i].host, m->ranges[i].size_bytes, MADV_HUGEPAGE);
        return 0;
}

int memory_show(const struct memory *m, struct vm *vm)
{
        int r = 0;

        for (size_t i = 0; i < m->n_ranges && r == 0; i++)
                r = vm_add_memory(vm, m->ranges[i].start, m->ranges[i].size_bytes, m->ranges[i].host);
        return r;
}

struct prefault {
        const struct memory *memory;
        atomic_uint_fast64_t next; /* offset in the file of the first byte that nobody took on */
        atomic_int error;
        pthread_t threads[PREFAULT_THREADS_MAX];
        unsigned n_threads;
};

static void *prefault_some(void *data)
{
        struct prefault *p = data;
        const struct memory *m = p->memory;
        uint64_t chunk = MAX(PREFAULT_CHUNK_BYTES, m->page_bytes), at;
        const struct memory_range *last = &m->ranges[m->n_ranges - 1];

        while ((at = atomic_fetch_add(&p->next, chunk)) < last->offset_bytes + last->size_bytes) {
                for (size_t i = 0; i < m->n_ranges; i++) {
                        const struct memory_range *range = &m->ranges[i];
                        uint64_t from = MAX(at, range->offset_bytes);
                        uint64_t to = MIN(at + chunk, range->offset_bytes + range->size_bytes);
                        char *start = range->host + (from - range->offset_bytes);

                        if (from < to && madvise(start, to - from, MADV_POPULATE_WRITE) < 0)
                                atomic_store(&p->error, errno);
                }
                if (atomic_load(&p->error) != 0)
                        break;
        }
        return NULL;
}

int memory_begin_prefault(struct memory *m)
{
        unsigned n_max = (unsigned) MIN(MAX(sysconf(_SC_NPROCESSORS_ONLN), 1), PREFAULT_THREADS_MAX);
        struct prefault *p = calloc(1, sizeof(*p));
        int r = 0;

        if (!p)
                return -ENOMEM;
        p->memory = m;
        m->prefault = p;
        while (r == 0 && p->n_threads < n_max) {
                r = pthread_create(&p->threads[p->n_threads], NULL, prefault_some, p);
                p->n_threads += r == 0;
        }
        return p->n_threads > 0 ? 0 : -r;
}

int memory_finish_prefault(struct memory *m, char **ret_error)
{
        struct prefault *p = m->prefault;
        int error;

        if (!p)
                return 0;
        while (p->n_threads > 0)
                (void) pthread_join(p->threads[--p->n_threads], NULL);
        error = atomic_load(&p->error);
        free(p);
        m->prefault = NULL;
        if (error == 0)
                return 0;
        return fail(-error, ret_error,
                    "allocating the memory: %s; free memory or a memory limit of its control group is too small for it",
                    strerror(error));
}

void memory_deinit(struct memory *m)
{
        auto_cleanup(freep) char *error = NULL;

        (void) memory_finish_prefault(m, &error);
        unmap(m);
        fd_close(&m->fd);
        m->n_ranges = 0;
}

static const struct memory_range *find_range(const struct memory *m, gpa_t start, uint64_t size_bytes)
{
        for (size_t i = 0; i < m->n_ranges; i++) {
                const struct memory_range *range = &m->ranges[i];

                if (start >= range->start && range_fits(start - range->start, size_bytes, range->size_bytes))
                        return range;
        }
        return NULL;
}

void *memory_at(const struct memory *m, gpa_t start, uint64_t size_bytes)
{
        const struct memory_range *range = find_range(m, start, size_bytes);

        return range ? range->host + (start - range->start) : NULL;
}

ssize_t memory_receive(const struct memory *m, gpa_t start, int fd, uint64_t offset, uint64_t n_bytes)
{
        const struct memory_range *range = find_range(m, start, n_bytes);
        off_t from = (off_t) offset;
        ssize_t n;

        if (!range)
                return -EFAULT;
        if (m->page_bytes != (uint64_t) sysconf(_SC_PAGESIZE)) /* hugetlb files cannot be written to */
                return -EOPNOTSUPP;
        if (lseek(m->fd, (off_t) (range->offset_bytes + (start - range->start)), SEEK_SET) < 0)
                return -errno;
        n = sendfile(m->fd, fd, &from, MIN(n_bytes, UINT64_C(1) << 30));
        if (n < 0)
                return errno == EINVAL ? -EOPNOTSUPP : -errno; /* a file system without it */
        return n;
}
