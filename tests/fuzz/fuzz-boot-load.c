/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: everything that an x86-64 machine boots from, together: kernel and initrd of any size, parameters of any
 * length, in little memory. Corpus: boot-seeds.py. The input:
 *
 *      u8 memory           2, 4, 6 or 8 MiB (bits 0-1)
 *      u8 CPUs
 *      u16 parameters      how many characters
 *      u32 initrd          how many bytes
 *      the kernel file
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "monitor/arch.h"
#include "monitor/devices.h"
#include "monitor/memory.h"
#include "monitor/monitor.h"
#include "monitor/spec.h"
#include "monitor/x86_64/x86.h"

#define MIB (1 << 20)
#define RAMDISK_AT 0x218 /* of a bzImage's page: address and size */

struct input {
        uint8_t memory, n_vcpus;
        uint16_t n_parameters;
        uint32_t n_initrd;
} __attribute__((packed));

static struct boot_file make_file(const char *what, const void *data, size_t n, uint64_t size_bytes)
{
        struct boot_file f = { .fd = memfd_create(what, MFD_CLOEXEC), .what = what, .size_bytes = size_bytes };

        if (f.fd < 0 || fd_write_full(f.fd, data, n) < 0 || ftruncate(f.fd, (off_t) size_bytes) < 0)
                abort();
        return f;
}

static struct memory *memory_of(unsigned i)
{
        static struct memory memories[4];
        char *error = NULL;

        if (memories[i].n_ranges == 0 && memory_init(&memories[i], (i + 1) * UINT64_C(2) * MIB, false, &error) < 0)
                abort();
        return &memories[i];
}

/* Both are in memory, and apart. */
static void check_places(const struct x86 *x, const struct memory *memory, uint32_t n_initrd)
{
        uint32_t at[2];

        if (!memory_at(memory, x->kernel.start, x->kernel.end - x->kernel.start))
                abort();
        if (x->kernel.is_pvh || n_initrd == 0)
                return;
        memcpy(at, (char *) memory_at(memory, BOOT_INFO, 4096) + RAMDISK_AT, sizeof(at));
        if (at[1] != n_initrd || at[0] < BOOT_HIGH || !memory_at(memory, at[0], at[1]) ||
            (at[0] < x->kernel.end && x->kernel.start < (uint64_t) at[0] + at[1]))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static char parameters[UINT16_MAX + 1];
        struct monitor_spec spec = { .name = "fuzz", .parameters = parameters };
        struct monitor m = { .spec = &spec };
        struct input in;
        struct x86 x = { 0 };
        char *error = NULL;
        int r;

        if (size < sizeof(in))
                return 0;
        memcpy(&in, data, sizeof(in));
        m.memory = *memory_of(in.memory & 3);
        m.arch = &x;
        spec.n_vcpus = 1 + in.n_vcpus % MONITOR_VCPUS_MAX;
        memset(parameters, 'a', in.n_parameters);
        parameters[in.n_parameters] = '\0';
        x.files.kernel = make_file("kernel", data + sizeof(in), size - sizeof(in), size - sizeof(in));
        x.files.device_tree.fd = -1;
        x.files.initrd = make_file("initrd", "", 0, in.n_initrd);
        if (devices_new(&m, &m.devices) < 0)
                abort();

        r = arch_load(&m, &error);
        if ((r < 0) != (error != NULL) || r > 0)
                abort();
        if (r == 0)
                check_places(&x, &m.memory, in.n_initrd);
        free(error);
        boot_files_close(&x.files);
        devices_free(m.devices);
        return 0;
}
