/* SPDX-License-Identifier: MPL-2.0 */
#include "display/guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "base/rectangle.h"
#include "display/damage.h"
#include "display/frame.h"
#include "display/guard-look.h"
#include "display/image.h"
#include "display/picture.h"
#include "display/screen.h"
#include "scene/scene.h"

#define LOOK_PERIOD_MAX_NS (25 * NSEC_PER_MSEC)

struct guard {
        const struct scene_guard *config;    /* borrowed */
        const struct scene_display *display; /* borrowed */
        size_t display_index;
        unsigned bit;            /* of the display's guards */
        struct pixman_box32 box; /* on the screen */
        uint64_t limit_ns, look_period_ns;
        struct picture *cover;       /* owned: as large as the box */
        pixman_image_t *cover_image; /* owned */

        uint64_t right_ns;   /* the last moment at which it was surely right */
        uint64_t changed_ns; /* contents: of the first change since the last look */
        uint64_t looked_ns;
        bool is_right;   /* contents: as of the last look */
        bool is_changed; /* contents: since the last look */
        bool is_violated;
        bool is_unreported;
        uint32_t crc; /* one of: of the last look */
};

struct guard_set {
        struct guard *guards; /* owned */
        size_t n_guards;
        struct guard_stats stats;
};

struct guard_set *guard_set_free(struct guard_set *set)
{
        if (!set)
                return NULL;
        for (size_t i = 0; i < set->n_guards; i++) {
                if (set->guards[i].cover_image)
                        pixman_image_unref(set->guards[i].cover_image);
                picture_unref(set->guards[i].cover);
        }
        free(set->guards);
        free(set);
        return NULL;
}

static int fail(const struct guard *g, const char *what, int error, char **ret_error)
{
        if (asprintf(ret_error, "guard '%s' of display '%s': %s", g->config->name, g->display->name, what) < 0)
                *ret_error = NULL;
        return error;
}

static int init_cover(struct guard *g, char **ret_error)
{
        struct rectangle all = { 0, 0, g->config->region.width, g->config->region.height };
        char *error = NULL;
        int r;

        r = picture_new(PIXMAN_x8r8g8b8, all.width, all.height, &g->cover);
        if (r < 0)
                return r;
        g->cover_image = picture_image(g->cover, &all);
        if (!g->cover_image)
                return -ENOMEM;
        r = image_fill(g->config->cover, g->config->cover_colour, g->cover, &error);
        if (r < 0 && error)
                r = fail(g, error, r, ret_error);
        free(error);
        return r;
}

static int init_guard(struct guard *g, uint32_t width, uint32_t height, uint64_t now_ns, char **ret_error)
{
        const struct rectangle *region = &g->config->region, *display = &g->display->region;
        struct rectangle on_screen;

        if (rectangle_is_empty(region) || !rectangle_fits(region, display->width, display->height))
                return fail(g, "its region leaves the display's", -EINVAL, ret_error);
        on_screen = (struct rectangle){ display->x + region->x, display->y + region->y, region->width, region->height };
        if (!rectangle_fits(&on_screen, width, height))
                return fail(g, "its region leaves the screen", -EINVAL, ret_error);
        g->box = (struct pixman_box32){ (int) on_screen.x, (int) on_screen.y, (int) (on_screen.x + on_screen.width),
                                        (int) (on_screen.y + on_screen.height) };
        g->limit_ns = g->config->limit_ms * NSEC_PER_MSEC;
        g->look_period_ns = MIN(g->limit_ns / 4, LOOK_PERIOD_MAX_NS);
        g->right_ns = g->changed_ns = g->looked_ns = now_ns;
        g->is_right = true; /* until the first frame, which draws all */
        return init_cover(g, ret_error);
}

int guard_set_new(const struct scene_display *const *displays, size_t n_displays, uint32_t width, uint32_t height,
                  uint64_t now_ns, struct guard_set **ret, char **ret_error)
{
        struct guard_set *set = calloc(1, sizeof(*set));
        size_t n = 0;
        int r = 0;

        *ret_error = NULL;
        if (!set)
                return -ENOMEM;
        for (size_t i = 0; i < n_displays; i++)
                n += displays[i]->n_guards;
        set->guards = calloc(MAX(n, (size_t) 1), sizeof(*set->guards));
        if (!set->guards)
                r = -ENOMEM;
        for (size_t i = 0; i < n_displays && r == 0; i++) {
                for (size_t k = 0; k < displays[i]->n_guards && r == 0; k++) {
                        struct guard *g = &set->guards[set->n_guards++];

                        *g = (struct guard){ .config = &displays[i]->guards[k],
                                             .display = displays[i],
                                             .display_index = i,
                                             .bit = (unsigned) k };
                        r = init_guard(g, width, height, now_ns, ret_error);
                }
        }
        if (r < 0) {
                guard_set_free(set);
                return r;
        }
        *ret = set;
        return 0;
}

void guard_set_touch(struct guard_set *set, size_t display, uint32_t touched, uint64_t now_ns)
{
        for (size_t i = 0; touched != 0 && i < set->n_guards; i++) {
                struct guard *g = &set->guards[i];

                if (g->config->rule == RULE_FRESH && g->display_index == display && (touched >> g->bit & 1))
                        g->right_ns = now_ns;
        }
}

void guard_set_damage(struct guard_set *set, const pixman_region32_t *damage, uint64_t now_ns)
{
        for (size_t i = 0; i < set->n_guards; i++) {
                struct guard *g = &set->guards[i];

                if (g->config->rule == RULE_FRESH || g->is_changed ||
                    pixman_region32_contains_rectangle((pixman_region32_t *) damage, &g->box) == PIXMAN_REGION_OUT)
                        continue;
                g->is_changed = true;
                g->changed_ns = now_ns;
        }
}

static bool is_allowed(const struct scene_guard *config, uint32_t crc)
{
        for (size_t i = 0; i < config->n_allowed; i++)
                if (config->allowed[i] == crc)
                        return true;
        return false;
}

/* A content that there is no memory to look at is not known to be right; it is looked at again. */
static void look(struct guard_set *set, struct guard *g, const struct frame *frame, uint64_t now_ns)
{
        auto_cleanup(picture_unrefp) struct picture *p = NULL;
        bool was_right = g->is_right;
        struct pixman_box32 at;

        p = frame_picture_of(frame, &g->box, &at);

        if (g->config->rule == RULE_LIT) {
                g->is_right = p && guard_is_lit(p, &at);
        } else {
                g->crc = p ? guard_crc(p, &at) : 0;
                g->is_right = p && is_allowed(g->config, g->crc);
        }
        g->is_changed = !p;
        g->looked_ns = now_ns;
        if (g->is_right)
                g->right_ns = now_ns;
        else if (was_right)
                g->right_ns = g->changed_ns;
        set->stats.n_looks++;
        set->stats.n_look_pixels += (uint64_t) g->config->region.width * g->config->region.height;
}

static bool is_look_due(const struct guard *g, uint64_t now_ns)
{
        if (!g->is_changed)
                return false;
        /* The last chance before it is called a violation. */
        if (!g->is_right && !g->is_violated && now_ns > g->right_ns + g->limit_ns)
                return true;
        return now_ns >= g->looked_ns + g->look_period_ns;
}

/* Fresh: how long ago it was touched. Contents: right as of the last look, or wrong for how long. */
static bool is_within_limit(const struct guard *g, uint64_t now_ns)
{
        if (g->config->rule != RULE_FRESH && g->is_right)
                return true;
        return now_ns <= g->right_ns + g->limit_ns;
}

void guard_set_check(struct guard_set *set, const struct frame *frame, uint64_t now_ns,
                     pixman_region32_t *ret_changed)
{
        const struct pixman_box32 all = { 0, 0, (int) frame->width, (int) frame->height };

        for (size_t i = 0; i < set->n_guards; i++) {
                struct guard *g = &set->guards[i];
                bool is_violated;

                if (is_look_due(g, now_ns))
                        look(set, g, frame, now_ns);
                is_violated =
                        g->is_violated && g->config->rule != RULE_FRESH ? !g->is_right : !is_within_limit(g, now_ns);
                if (is_violated == g->is_violated)
                        continue;
                g->is_violated = is_violated;
                g->is_unreported = true;
                set->stats.n_violations += is_violated;
                damage_add(ret_changed, &g->box, &all);
        }
}

bool guard_set_is_expiring(const struct guard_set *set, uint64_t now_ns)
{
        for (size_t i = 0; i < set->n_guards; i++)
                if (!set->guards[i].is_violated && !is_within_limit(&set->guards[i], now_ns))
                        return true;
        return false;
}

uint64_t guard_set_deadline(const struct guard_set *set)
{
        uint64_t deadline_ns = UINT64_MAX;

        for (size_t i = 0; i < set->n_guards; i++) {
                const struct guard *g = &set->guards[i];

                if (g->is_changed)
                        deadline_ns = MIN(deadline_ns, g->looked_ns + g->look_period_ns);
                if (!g->is_violated && (g->config->rule == RULE_FRESH || !g->is_right))
                        deadline_ns = MIN(deadline_ns, g->right_ns + g->limit_ns + 1);
        }
        return deadline_ns;
}

bool guard_set_is_covering(const struct guard_set *set)
{
        for (size_t i = 0; i < set->n_guards; i++)
                if (set->guards[i].is_violated)
                        return true;
        return false;
}

void guard_set_paint(const struct guard_set *set, pixman_image_t *front, pixman_region32_t *part)
{
        (void) pixman_image_set_clip_region32(front, part);
        for (size_t i = 0; i < set->n_guards; i++) {
                const struct guard *g = &set->guards[i];

                if (g->is_violated)
                        pixman_image_composite32(PIXMAN_OP_SRC, g->cover_image, NULL, front, 0, 0, 0, 0, g->box.x1,
                                                 g->box.y1, (int) g->config->region.width,
                                                 (int) g->config->region.height);
        }
        (void) pixman_image_set_clip_region32(front, NULL);
}

void guard_set_report(struct guard_set *set, bool changes, uint64_t now_ns,
                      void (*fn)(const struct screen_guard_event *e, void *data), void *data)
{
        for (size_t i = 0; i < set->n_guards; i++) {
                struct guard *g = &set->guards[i];
                const struct screen_guard_event e = { .display = g->display->name,
                                                      .guard = g->config->name,
                                                      .violated = g->is_violated,
                                                      .time_ns = now_ns,
                                                      .has_crc = g->config->rule == RULE_ONE_OF,
                                                      .crc = g->crc };

                if (changes && !g->is_unreported)
                        continue;
                if (changes)
                        g->is_unreported = false;
                if (fn)
                        fn(&e, data);
        }
}

void guard_set_get_stats(const struct guard_set *set, struct guard_stats *ret) { *ret = set->stats; }
