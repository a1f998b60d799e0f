/* SPDX-License-Identifier: MPL-2.0 */
/* Border: kernel file, a bzImage (boot.h says how the input is read). Corpus: boot-seeds.py. */
#include "boot.h"
#include "monitor/x86_64/x86.h"

#define MEMORY_BYTES (8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct memory *m = boot_memory(0, BOOT_HIGH, MEMORY_BYTES);
        struct boot_info info = {
                .parameters = BOOT_PARAMETERS, .initrd = 0x400000, .initrd_bytes = 4096, .n_ranges = 8
        };
        static _Alignas(8) uint8_t page[4096];
        struct boot_kernel kernel;
        struct boot_file f;
        char *error = NULL;
        int r;

        if (size == 0)
                return 0;
        f = boot_input(data, size);
        r = boot_bzimage_load(&f, m, &kernel, &error);
        boot_check_error(r, error);
        if (r < 0)
                return 0;
        if (kernel.is_pvh || kernel.start < BOOT_HIGH || kernel.end > MEMORY_BYTES || kernel.entry < kernel.start ||
            kernel.entry >= kernel.end || kernel.header_bytes > BZIMAGE_HEADER_MAX)
                abort();
        memset(page, 0, sizeof(page));
        boot_bzimage_write_info(&kernel, &info, page);
        return 0;
}
