/* SPDX-License-Identifier: MPL-2.0 */
#include "display/surface.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "display/picture.h"

/* Of a reader: the lock is mostly held for an instant. */
#define LOCK_TRIES 100

/* Of a region: more are one, around all, where that does no harm; otherwise the writer has to do something about it. */
#define REGION_BOXES_MAX 128

/* That surface_catch_up() copies at a time, however small they are. */
#define SLICE_BOXES_MAX 256

/* A row of a box counts as a page: it may have to be brought in. */
#define ROW_BYTES_MIN 4096

struct sheet {
        struct sheet *next;
        struct picture *picture; /* a reference */
        pixman_region32_t stale; /* unlike what was written last */
};

struct surface {
        atomic_uint n_refs;
        pthread_mutex_t lock;
        bool is_writing, is_locked; /* the writer's: between begin and end */
        bool is_shown;          /* what is complete was settled for somebody to hold it */
        bool is_idle;           /* the writer's */
        struct sheet *sheets;   /* owned; the current one is first */
        struct sheet *complete; /* the current one, or, while that lacks something, the one before: lacks nothing */
};

static struct sheet *sheet_free(struct sheet *sheet)
{
        picture_unref(sheet->picture);
        pixman_region32_fini(&sheet->stale);
        free(sheet);
        return NULL;
}

static struct sheet *sheet_new(struct picture *p_take)
{
        struct sheet *sheet = calloc(1, sizeof(*sheet));

        if (!sheet) {
                picture_unref(p_take);
                return NULL;
        }
        sheet->picture = p_take;
        pixman_region32_init_rect(&sheet->stale, 0, 0, p_take->width, p_take->height);
        return sheet;
}

int surface_new(struct picture *p_take, struct surface **ret)
{
        struct surface *s = calloc(1, sizeof(*s));

        if (!s) {
                picture_unref(p_take);
                return -ENOMEM;
        }
        s->sheets = sheet_new(p_take);
        if (!s->sheets) {
                free(s);
                return -ENOMEM;
        }
        pixman_region32_clear(&s->sheets->stale);
        s->complete = s->sheets;
        pthread_mutex_init(&s->lock, NULL);
        atomic_init(&s->n_refs, 1);
        *ret = s;
        return 0;
}

struct surface *surface_ref(struct surface *s)
{
        atomic_fetch_add_explicit(&s->n_refs, 1, memory_order_relaxed);
        return s;
}

struct surface *surface_unref(struct surface *s)
{
        if (!s || atomic_fetch_sub_explicit(&s->n_refs, 1, memory_order_acq_rel) != 1)
                return NULL;
        for (struct sheet *sheet = s->sheets, *next; sheet; sheet = next) {
                next = sheet->next;
                sheet_free(sheet);
        }
        pthread_mutex_destroy(&s->lock);
        free(s);
        return NULL;
}

size_t surface_size_bytes(const struct surface *s) { return s->sheets->picture->size_bytes; }

/* Under the lock, while the current one is complete: another one takes its place, and it stays as it is. */
static int turn(struct surface *s)
{
        const struct picture *model = s->sheets->picture;
        struct sheet **at = &s->sheets, *sheet;
        struct picture *p;
        int r;

        while (*at && (*at == s->complete || picture_is_held((*at)->picture)))
                at = &(*at)->next;
        sheet = *at;
        if (sheet) {
                *at = sheet->next;
        } else {
                r = picture_new(model->format, model->width, model->height, &p);
                if (r < 0)
                        return r;
                sheet = sheet_new(p);
                if (!sheet)
                        return -ENOMEM;
        }
        sheet->next = s->sheets;
        s->sheets = sheet;
        return 0;
}

int surface_begin(struct surface *s, struct picture **ret)
{
        int r = 0;

        pthread_mutex_lock(&s->lock);
        if (picture_is_held(s->sheets->picture))
                r = turn(s);
        else if (s->is_shown && s->sheets == s->complete)
                (void) turn(s); /* without memory, who wants to hold it comes again */
        /* What is not complete nobody gets to see. */
        s->is_writing = r == 0;
        s->is_locked = r == 0 && s->sheets == s->complete;
        if (r == 0)
                *ret = s->sheets->picture;
        if (!s->is_locked)
                pthread_mutex_unlock(&s->lock);
        return r;
}

static void lack_all(struct sheet *sheet)
{
        const pixman_box32_t all = { 0, 0, (int) sheet->picture->width, (int) sheet->picture->height };

        pixman_region32_reset(&sheet->stale, (pixman_box32_t *) &all);
}

/* The same place of the same layout. */
static void copy(const struct picture *to, const struct picture *from, pixman_region32_t *part)
{
        int n;
        const struct pixman_box32 *boxes = pixman_region32_rectangles(part, &n);

        for (int i = 0; i < n; i++) {
                size_t at = (size_t) boxes[i].y1 * from->stride_bytes + (size_t) boxes[i].x1 * 4;

                for (int y = boxes[i].y1; y < boxes[i].y2; y++, at += from->stride_bytes)
                        memcpy(to->pixels + at, from->pixels + at, (size_t) (boxes[i].x2 - boxes[i].x1) * 4);
        }
}

/*
 * A slice from the start of a region: so many bytes, as they count, but one row of its first box at least.
 * Return: false without memory.
 */
static bool cut_slice(pixman_region32_t *region, size_t n_bytes_max, pixman_region32_t *ret)
{
        int n, i = 0;
        const struct pixman_box32 *boxes = pixman_region32_rectangles(region, &n);
        struct pixman_box32 slice[SLICE_BOXES_MAX];
        size_t left = n_bytes_max;

        for (; i < MIN(n, SLICE_BOXES_MAX) && (i == 0 || left > 0); i++) {
                size_t row_bytes = MAX((size_t) (boxes[i].x2 - boxes[i].x1) * 4, (size_t) ROW_BYTES_MIN);
                size_t n_rows = left / row_bytes;

                if (n_rows == 0 && i > 0)
                        break;
                n_rows = MIN(MAX(n_rows, (size_t) 1), (size_t) (boxes[i].y2 - boxes[i].y1));
                slice[i] = boxes[i];
                slice[i].y2 = boxes[i].y1 + (int) n_rows;
                left -= MIN(left, n_rows * row_bytes);
        }
        return pixman_region32_init_rects(ret, slice, i);
}

bool surface_catch_up(struct surface *s, size_t n_bytes_max)
{
        struct sheet *current = s->sheets;
        pixman_region32_t slice;
        bool is_cut;

        if (current == s->complete || !pixman_region32_not_empty(&current->stale))
                return true;
        is_cut = cut_slice(&current->stale, n_bytes_max, &slice);
        if (is_cut)
                copy(current->picture, s->complete->picture, &slice);
        pthread_mutex_lock(&s->lock); /* for readers of what is stale */
        is_cut = is_cut && pixman_region32_subtract(&slice, &current->stale, &slice);
        if (is_cut) {
                pixman_region32_t stale = current->stale;

                current->stale = slice;
                slice = stale;
        }
        pthread_mutex_unlock(&s->lock);
        pixman_region32_fini(&slice);
        /* Without memory it is left to who has to have it whole. */
        return !is_cut || !pixman_region32_not_empty(&current->stale);
}

/* Return: locked. */
static void complete(struct surface *s)
{
        struct sheet *current = s->sheets;

        /* Without the lock: nobody else touches the one, and nobody writes to the other. */
        if (current != s->complete)
                copy(current->picture, s->complete->picture, &current->stale);
        pthread_mutex_lock(&s->lock);
        pixman_region32_clear(&current->stale);
        s->complete = current;
}

/* The others' pictures stay with who holds them. */
static void keep_one(struct surface *s)
{
        struct sheet *others;

        complete(s);
        others = s->sheets->next;
        s->sheets->next = NULL;
        s->is_shown = false;
        pthread_mutex_unlock(&s->lock);
        for (struct sheet *next; others; others = next) {
                next = others->next;
                sheet_free(others);
        }
}

void surface_set_idle(struct surface *s, bool idle)
{
        s->is_idle = idle;
        if (idle)
                keep_one(s);
}

static bool is_ragged(pixman_region32_t *region) { return pixman_region32_n_rects(region) > REGION_BOXES_MAX; }

bool surface_is_ragged(const struct surface *s) { return is_ragged(&s->sheets->stale); }

bool surface_is_idle(const struct surface *s) { return s->is_idle; }

void surface_end(struct surface *s, const pixman_region32_t *part, bool is_whole)
{
        struct sheet *current = s->sheets;
        pixman_box32_t all;

        if (!s->is_locked)
                pthread_mutex_lock(&s->lock);
        s->is_writing = s->is_locked = false;
        for (struct sheet *sheet = current->next; sheet; sheet = sheet->next) {
                if (!pixman_region32_union(&sheet->stale, &sheet->stale, (pixman_region32_t *) part))
                        lack_all(sheet);
                if (is_ragged(&sheet->stale)) {
                        all = *pixman_region32_extents(&sheet->stale);
                        pixman_region32_reset(&sheet->stale, &all);
                }
        }
        if (current != s->complete && is_whole) {
                if (!pixman_region32_subtract(&current->stale, &current->stale, (pixman_region32_t *) part))
                        lack_all(current);
                if (!pixman_region32_not_empty(&current->stale))
                        s->complete = current;
        }
        pthread_mutex_unlock(&s->lock);
        if (s->is_idle && current->next && current == s->complete)
                keep_one(s);
}

void surface_end_box(struct surface *s, const struct pixman_box32 *box, bool is_whole)
{
        pixman_region32_t part;

        pixman_region32_init_with_extents(&part, (pixman_box32_t *) box);
        surface_end(s, &part, is_whole);
        pixman_region32_fini(&part);
}

void surface_settle(struct surface *s)
{
        if (s->is_writing)
                return;
        complete(s);
        s->is_shown = true;
        pthread_mutex_unlock(&s->lock);
}

struct picture *surface_hold(struct surface *s)
{
        struct picture *p;

        complete(s);
        p = picture_ref(s->complete->picture);
        pthread_mutex_unlock(&s->lock);
        return p;
}

bool surface_try_hold(struct surface *s, const struct picture *old, struct picture **ret,
                      pixman_region32_t *ret_changed)
{
        struct sheet *sheet;

        for (int n = 0; pthread_mutex_trylock(&s->lock) != 0; cpu_relax())
                if (++n == LOCK_TRIES)
                        return false;
        for (sheet = s->sheets; sheet && sheet->picture != old;)
                sheet = sheet->next;
        if (!sheet || !pixman_region32_union(ret_changed, ret_changed, &sheet->stale)) {
                const struct picture *p = s->complete->picture;
                pixman_box32_t all = { 0, 0, (int) p->width, (int) p->height };

                pixman_region32_reset(ret_changed, &all);
        }
        *ret = picture_ref(s->complete->picture);
        pthread_mutex_unlock(&s->lock);
        return true;
}
