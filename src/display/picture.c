/* SPDX-License-Identifier: MPL-2.0 */
#include "display/picture.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/macros.h"
#include "base/reaper.h"
#include "base/rectangle.h"
#include "scene/scene.h"

#define STRIDE_ALIGNMENT 64u

int picture_new(pixman_format_code_t format, uint32_t width, uint32_t height, struct picture **ret)
{
        struct picture *p;
        void *pixels;

        if (PIXMAN_FORMAT_BPP(format) != 32 || width == 0 || height == 0 || width > SCENE_PIXELS_MAX ||
            height > SCENE_PIXELS_MAX)
                return -EINVAL;
        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->format = format;
        p->width = width;
        p->height = height;
        p->stride_bytes = (width * 4 + STRIDE_ALIGNMENT - 1) / STRIDE_ALIGNMENT * STRIDE_ALIGNMENT;
        p->size_bytes = (size_t) p->stride_bytes * height;
        /* Mapped: zero without being touched, aligned, and nothing of it stays with malloc(). */
        pixels = mmap(NULL, p->size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pixels == MAP_FAILED) {
                free(p);
                return -ENOMEM;
        }
        /* Spares most of the faults of its first writing, and a few percent of copying.
           Some hosts have no such pages. */
        (void) madvise(pixels, p->size_bytes, MADV_HUGEPAGE);
        p->pixels = pixels;
        atomic_init(&p->n_refs, 1);
        *ret = p;
        return 0;
}

struct picture *picture_ref(struct picture *p)
{
        atomic_fetch_add_explicit(&p->n_refs, 1, memory_order_relaxed);
        return p;
}

struct picture *picture_unref(struct picture *p)
{
        if (!p || atomic_fetch_sub_explicit(&p->n_refs, 1, memory_order_acq_rel) != 1)
                return NULL;
        reaper_unmap(p->pixels, p->size_bytes);
        free(p);
        return NULL;
}

pixman_image_t *picture_image(const struct picture *p, const struct rectangle *part)
{
        uint8_t *first = p->pixels + (size_t) part->y * p->stride_bytes + (size_t) part->x * 4;

        return pixman_image_create_bits_no_clear(p->format, (int) part->width, (int) part->height,
                                                 (uint32_t *) (void *) first, (int) p->stride_bytes);
}
