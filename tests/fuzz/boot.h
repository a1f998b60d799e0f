/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What fuzzers of boot files share. The input's first byte says how the file lies: if odd, it is shorter than it was
 * when it was opened. The rest is the file.
 */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "monitor/boot-file.h"
#include "monitor/memory.h"

#define BOOT_LOST_BYTES 5000

/* One file for all inputs. */
static inline struct boot_file boot_input(const uint8_t *data, size_t size)
{
        static struct boot_file f = { .fd = -1, .what = "kernel" };

        if (f.fd < 0)
                f.fd = memfd_create("input", MFD_CLOEXEC);
        if (f.fd < 0 || ftruncate(f.fd, 0) < 0 || lseek(f.fd, 0, SEEK_SET) != 0 ||
            fd_write_full(f.fd, data + 1, size - 1) < 0)
                abort();
        f.size_bytes = size - 1 + (data[0] & 1 ? BOOT_LOST_BYTES : 0);
        return f;
}

/* One memory for all inputs, with gaps, of which the first @n_low bytes cannot be touched either. */
static inline const struct memory *boot_memory(gpa_t start, size_t n_low, size_t n_bytes)
{
        static struct memory m = { .fd = -1 };
        size_t n_gap = 1 << 20;
        char *map;

        if (m.n_ranges > 0)
                return &m;
        map = mmap(NULL, n_bytes + 2 * n_gap, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (map == MAP_FAILED || mprotect(map + n_gap + n_low, n_bytes - n_low, PROT_READ | PROT_WRITE) < 0)
                abort();
        m.ranges[m.n_ranges++] = (struct memory_range){ .start = start, .size_bytes = n_bytes, .host = map + n_gap };
        return &m;
}

/* An error has a sentence, a success none. */
static inline void boot_check_error(int r, char *error)
{
        if ((r < 0) != (error != NULL) || r > 0)
                abort();
        free(error);
}
