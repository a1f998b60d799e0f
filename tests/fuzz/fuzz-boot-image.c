/* SPDX-License-Identifier: MPL-2.0 */
/* Border: kernel file of arm64: Image, gzip, zboot (boot.h says how the input is read). Corpus: boot-seeds.py. */
#include "boot.h"
#include "monitor/aarch64/image.h"

#define RAM 0x40100000 /* so that the base is not the start */
#define MEMORY_BYTES (4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct memory *m = boot_memory(RAM, 1 << 20, MEMORY_BYTES);
        struct boot_file f;
        struct image image;
        char *error = NULL;
        int r;

        if (size == 0)
                return 0;
        f = boot_input(data, size);
        r = image_load(&f, m, &image, &error);
        boot_check_error(r, error);
        if (r == 0 && (image.entry < RAM || image.end > RAM + MEMORY_BYTES || image.entry > image.end))
                abort();
        return 0;
}
