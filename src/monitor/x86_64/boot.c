/* SPDX-License-Identifier: MPL-2.0 */
/*
 * arch_load(): kernel, initrd, command line, tables, and the page that tells the kernel where they are. What is
 * where below 1 MiB is in x86.h; the initrd lies as high as the kernel allows.
 */
#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "monitor/arch.h"
#include "monitor/devices.h"
#include "monitor/fail.h"
#include "monitor/layout.h"
#include "monitor/memory.h"
#include "monitor/spec.h"
#include "monitor/x86_64/acpi.h"
#include "monitor/x86_64/x86.h"

#define PAGE_BYTES 4096

static void add_range(struct boot_info *info, gpa_t start, uint64_t size_bytes, enum boot_range_type type)
{
        info->ranges[info->n_ranges].start = start;
        info->ranges[info->n_ranges].size_bytes = size_bytes;
        info->ranges[info->n_ranges++].type = type;
}

/* RAM as kernels know it from a PC: with a hole at 640 KiB. Linux asks for the ECAM to be in this list. */
static void add_ranges(struct boot_info *info, const struct memory *memory)
{
        add_range(info, 0, BOOT_LOW_END, BOOT_RANGE_RAM);
        add_range(info, BOOT_LOW_END, BOOT_HIGH - BOOT_LOW_END, BOOT_RANGE_RESERVED);
        add_range(info, BOOT_HIGH, memory->ranges[0].size_bytes - BOOT_HIGH, BOOT_RANGE_RAM);
        add_range(info, layout.ecam, layout.ecam_bytes, BOOT_RANGE_RESERVED);
        for (size_t i = 1; i < memory->n_ranges; i++)
                add_range(info, memory->ranges[i].start, memory->ranges[i].size_bytes, BOOT_RANGE_RAM);
}

static int load_kernel(struct x86 *x, const struct memory *memory, char **ret_error)
{
        const struct boot_file *f = &x->files.kernel;

        if (f->fd < 0)
                return fail(-EINVAL, ret_error, "kernel: none given, and there is no firmware");
        return boot_pvh_is(f) ? boot_pvh_load(f, memory, &x->kernel, ret_error)
                              : boot_bzimage_load(f, memory, &x->kernel, ret_error);
}

/* As high as it may be; below the kernel if that is in the way. */
static int load_initrd(const struct x86 *x, const struct memory *memory, struct boot_info *info, char **ret_error)
{
        const struct boot_file *f = &x->files.initrd;
        gpa_t end = MIN(memory->ranges[0].size_bytes, x->kernel.initrd_end_max) & ~(gpa_t) (PAGE_BYTES - 1);
        gpa_t start;

        if (f->fd < 0 || f->size_bytes == 0)
                return 0;
        start = f->size_bytes < end ? (end - f->size_bytes) & ~(gpa_t) (PAGE_BYTES - 1) : 0;
        if (start < x->kernel.end && x->kernel.start < end) {
                end = x->kernel.start & ~(gpa_t) (PAGE_BYTES - 1);
                start = f->size_bytes < end ? (end - f->size_bytes) & ~(gpa_t) (PAGE_BYTES - 1) : 0;
        }
        if (start < BOOT_HIGH)
                return fail(-ENOSPC, ret_error, "initrd: %llu MiB, for which there is no room in the memory",
                            (unsigned long long) (f->size_bytes >> 20));
        info->initrd = start;
        info->initrd_bytes = f->size_bytes;
        return boot_file_load(f, 0, f->size_bytes, memory, start, ret_error);
}

static int write_parameters(const struct x86 *x, const struct monitor *m, struct boot_info *info, char **ret_error)
{
        const char *parameters = m->spec->parameters ? m->spec->parameters : "";
        size_t n = strlen(parameters);

        if (n > x->kernel.parameters_max)
                return fail(-E2BIG, ret_error, "kernel: takes %u characters of parameters, %zu are given",
                            x->kernel.parameters_max, n);
        info->parameters = BOOT_PARAMETERS;
        info->parameters_bytes = (uint32_t) n;
        memcpy(memory_at(&m->memory, BOOT_PARAMETERS, n + 1), parameters, n + 1);
        return 0;
}

/* Without EFI, Linux restarts a machine with hardware-reduced ACPI by a jump to where its firmware would be, in real
   mode. All that is there is this. */
static void write_firmware(void *at)
{
        const uint8_t code[] = {
                0xba,
                (uint8_t) (layout.power + POWER_RESET),
                (uint8_t) ((layout.power + POWER_RESET) >> 8), /* mov dx */
                0xb0,
                POWER_RESET_VALUE, /* mov al */
                0xee,              /* out dx, al */
                0xf4,              /* hlt */
                0xeb,
                0xfd, /* jmp to the hlt */
        };

        memcpy(at, code, sizeof(code));
}

int arch_load(struct monitor *m, char **ret_error)
{
        const struct memory *memory = &m->memory;
        const struct acpi_machine machine = { .layout = &layout,
                                              .n_cpus = m->spec->n_vcpus,
                                              .n_mmio = devices_n_mmio(m->devices) };
        struct x86 *x = x86_of(m);
        struct boot_info info = { .rsdp = BOOT_ACPI };
        int r;

        if (!memory_at(memory, 0, 2 * BOOT_HIGH))
                return fail(-ENOSPC, ret_error, "memory: less than 2 MiB");
        r = load_kernel(x, memory, ret_error);
        if (r == 0)
                r = load_initrd(x, memory, &info, ret_error);
        if (r == 0)
                r = write_parameters(x, m, &info, ret_error);
        if (r == 0)
                r = acpi_write(&machine, BOOT_ACPI, memory_at(memory, BOOT_ACPI, BOOT_ACPI_BYTES), BOOT_ACPI_BYTES);
        if (r < 0)
                return r;

        write_firmware(memory_at(memory, BOOT_RESET_VECTOR, 16));
        add_ranges(&info, memory);
        if (x->kernel.is_pvh) {
                boot_pvh_write_info(&info, memory_at(memory, BOOT_INFO, PAGE_BYTES));
        } else {
                boot_bzimage_write_info(&x->kernel, &info, memory_at(memory, BOOT_INFO, PAGE_BYTES));
                registers_write_gdt(memory_at(memory, BOOT_GDT, 32));
                registers_write_page_tables(memory_at(memory, BOOT_PAGE_TABLES, (uint64_t) 6 * PAGE_BYTES));
        }
        boot_files_close(&x->files);
        return 0;
}
