/* SPDX-License-Identifier: MPL-2.0 */
#include "display/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "display/damage.h"
#include "display/picture.h"

struct frame *frame_new(uint32_t width, uint32_t height, size_t max_layers)
{
        struct frame *f = calloc(1, sizeof(*f) + max_layers * sizeof(f->layers[0]));

        if (!f)
                return NULL;
        f->width = width;
        f->height = height;
        f->max_layers = max_layers;
        atomic_init(&f->n_refs, 1);
        return f;
}

bool frame_add(struct frame *f, struct picture *p, const pixman_region32_t *where, int x, int y)
{
        struct frame_layer *layer = &f->layers[f->n_layers];

        assert(f->n_layers < f->max_layers);
        pixman_region32_init(&layer->where);
        if (!pixman_region32_copy(&layer->where, (pixman_region32_t *) where)) {
                pixman_region32_fini(&layer->where);
                return false;
        }
        layer->picture = picture_ref(p);
        layer->x = x;
        layer->y = y;
        f->n_layers++;
        return true;
}

struct frame *frame_ref(struct frame *f)
{
        atomic_fetch_add_explicit(&f->n_refs, 1, memory_order_relaxed);
        return f;
}

struct frame *frame_unref(struct frame *f)
{
        if (!f || atomic_fetch_sub_explicit(&f->n_refs, 1, memory_order_acq_rel) != 1)
                return NULL;
        for (size_t i = 0; i < f->n_layers; i++) {
                picture_unref(f->layers[i].picture);
                pixman_region32_fini(&f->layers[i].where);
        }
        free(f);
        return NULL;
}

/* Box by box: that needs no memory, and so cannot fail. */
void frame_each(const struct frame *f, const pixman_region32_t *region,
                void (*fn)(const struct frame_part *part, void *data), void *data)
{
        int n, m;
        const struct pixman_box32 *boxes = pixman_region32_rectangles((pixman_region32_t *) region, &n);

        for (size_t i = 0; i < f->n_layers; i++) {
                const struct frame_layer *layer = &f->layers[i];
                const struct pixman_box32 *places = pixman_region32_rectangles((pixman_region32_t *) &layer->where, &m);
                struct frame_part part = { .stride_bytes = layer->picture->stride_bytes };

                for (int k = 0; k < m; k++)
                        for (int j = 0; j < n; j++) {
                                if (!box_intersect(&places[k], &boxes[j], &part.box))
                                        continue;
                                part.pixels = layer->picture->pixels +
                                              (size_t) (part.box.y1 - layer->y) * part.stride_bytes +
                                              (size_t) (part.box.x1 - layer->x) * 4;
                                fn(&part, data);
                        }
        }
}

struct target {
        uint8_t *pixels;
        size_t stride_bytes;
        int x, y; /* of its first pixel */
};

static void copy_part(const struct frame_part *part, void *data)
{
        const struct target *t = data;
        size_t n = (size_t) (part->box.x2 - part->box.x1) * 4, n_rows = (size_t) (part->box.y2 - part->box.y1);
        const uint8_t *from = part->pixels;
        uint8_t *to = t->pixels + (size_t) (part->box.y1 - t->y) * t->stride_bytes + (size_t) (part->box.x1 - t->x) * 4;

        if (n == part->stride_bytes && n == t->stride_bytes) {
                memcpy(to, from, n * n_rows);
                return;
        }
        for (; n_rows > 0; n_rows--, from += part->stride_bytes, to += t->stride_bytes)
                memcpy(to, from, n);
}

void frame_copy(const struct frame *f, const pixman_region32_t *region, uint8_t *to, size_t stride_bytes)
{
        frame_each(f, region, copy_part, &(struct target){ .pixels = to, .stride_bytes = stride_bytes });
}

/* @p is as large as the box. */
static void copy_box(const struct frame *f, const struct pixman_box32 *box, const struct picture *p)
{
        struct target target = { .pixels = p->pixels, .stride_bytes = p->stride_bytes, .x = box->x1, .y = box->y1 };
        pixman_region32_t region;

        pixman_region32_init_with_extents(&region, (pixman_box32_t *) box);
        frame_each(f, &region, copy_part, &target);
        pixman_region32_fini(&region);
}

int frame_to_picture(const struct frame *f, struct picture **ret)
{
        const struct pixman_box32 all = { 0, 0, (int) f->width, (int) f->height };
        int r = picture_new(PIXMAN_x8r8g8b8, f->width, f->height, ret);

        if (r == 0)
                copy_box(f, &all, *ret);
        return r;
}

struct picture *frame_picture_of(const struct frame *f, const struct pixman_box32 *box, struct pixman_box32 *ret_at)
{
        struct picture *p;

        for (size_t i = 0; i < f->n_layers; i++) {
                const struct frame_layer *l = &f->layers[i];

                if (pixman_region32_contains_rectangle((pixman_region32_t *) &l->where, (pixman_box32_t *) box) ==
                    PIXMAN_REGION_IN) {
                        *ret_at = (struct pixman_box32){ box->x1 - l->x, box->y1 - l->y,
                                                                 box->x2 - l->x, box->y2 - l->y };
                        return picture_ref(l->picture);
                }
        }
        if (picture_new(PIXMAN_x8r8g8b8, (uint32_t) (box->x2 - box->x1), (uint32_t) (box->y2 - box->y1), &p) < 0)
                return NULL;
        copy_box(f, box, p);
        *ret_at = (struct pixman_box32){ 0, 0, box->x2 - box->x1, box->y2 - box->y1 };
        return p;
}
