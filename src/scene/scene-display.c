/* SPDX-License-Identifier: MPL-2.0 */
/* The member `displays` of a system file, and the guards in it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json-fields.h"
#include "base/json-reader.h"
#include "scene/scene-parse.h"

#define ORDER_MAX 1000
#define COVER_DEFAULT 0xff0000

/* In the order of enum scene_scaling and enum scene_rule. */
static const char *const scalings[] = { "none", "fit", "stretch", NULL };
static const char *const rules[] = { "fresh", "oneOf", "lit", NULL };

/* A member [x, y, width, height]. */
static int get_region(const struct json_node *object, struct rectangle *ret)
{
        uint32_t n[4];
        int r = fields_get_numbers(object, "region", 4, (const uint32_t[]){ 0, 0, 1, 1 }, SCENE_PIXELS_MAX, n);

        if (r > 0)
                *ret = (struct rectangle){ .x = n[0], .y = n[1], .width = n[2], .height = n[3] };
        return r;
}

/* A member { "colour": ..., "image": ... }: what is shown instead of a guest's pixels. */
static int get_filling(const struct json_node *object, const char *key, const char *dir, uint32_t *colour, char **image)
{
        struct json_node filling;
        int r = node_get_object(object, key, &filling);

        if (r <= 0)
                return r;
        r = node_only_members(&filling, (const char *const[]){ "colour", "image", NULL });
        if (r < 0)
                return r;
        r = scene_get_colour(&filling, "colour", colour);
        if (r < 0)
                return r;
        r = fields_get_path(&filling, "image", dir, image);
        return r < 0 ? r : 0;
}

static int parse_allowed(const struct json_node *entry, struct scene_guard *g)
{
        struct json_node array, element;
        int r = node_get_array(entry, "allowed", SCENE_ALLOWED_MAX, &array);

        if (r < 0)
                return r;
        if (g->rule != RULE_ONE_OF)
                return r == 0 ? 0 : node_fail(&array, "is for rule \"oneOf\" only");
        if (r == 0)
                return node_fail(entry, "member \"allowed\" is missing");
        if (json_array_size(array.value) == 0)
                return node_fail(&array, "expected at least one checksum");
        g->allowed = calloc(json_array_size(array.value), sizeof(*g->allowed));
        if (!g->allowed)
                return -ENOMEM;
        for (size_t i = 0; node_at(&array, i, &element); i++) {
                const char *s = json_string_value(element.value);

                if (!s || strlen(s) != 8 || strspn(s, "0123456789abcdefABCDEF") != 8)
                        return node_fail_expected(&element, "a checksum of 8 hexadecimal digits");
                g->allowed[g->n_allowed++] = (uint32_t) strtoul(s, NULL, 16);
        }
        return 0;
}

static int parse_guard(const struct json_node *entry, const char *dir, const struct scene_display *d,
                       struct scene_guard *g)
{
        static const char *const needed[] = { "name", "region", "rule", "limitMs", NULL };
        static const char *const names[] = { "name", "region", "rule", "limitMs", "allowed", "cover", NULL };
        struct json_node node;
        unsigned rule = RULE_FRESH;
        int r;

        if (!json_is_object(entry->value))
                return node_fail_expected(entry, "an object");
        r = node_only_members(entry, names);
        if (r == 0)
                r = node_need_members(entry, needed);
        if (r < 0)
                return r;
        r = fields_get_name(entry, "name", &g->name);
        if (r < 0)
                return r;
        r = node_get_choice(entry, "rule", rules, &rule);
        if (r < 0)
                return r;
        g->rule = (enum scene_rule) rule;
        r = get_region(entry, &g->region);
        if (r < 0)
                return r;
        if (!rectangle_fits(&g->region, d->region.width, d->region.height)) {
                (void) node_get(entry, "region", &node);
                return node_fail(&node, "is not inside the display's %u by %u pixels", d->region.width,
                                 d->region.height);
        }
        r = fields_get_u32(entry, "limitMs", SCENE_GUARD_LIMIT_MS_MIN, SCENE_GUARD_LIMIT_MS_MAX, &g->limit_ms);
        if (r < 0)
                return r;
        r = parse_allowed(entry, g);
        if (r < 0)
                return r;
        g->cover_colour = COVER_DEFAULT;
        return get_filling(entry, "cover", dir, &g->cover_colour, &g->cover);
}

static int parse_guards(const struct json_node *entry, const char *dir, struct scene_display *d)
{
        struct json_node array, element, name;
        int r = node_get_array(entry, "guards", SCENE_GUARDS_MAX, &array);

        if (r <= 0)
                return r;
        d->guards = calloc(json_array_size(array.value) + 1, sizeof(*d->guards));
        if (!d->guards)
                return -ENOMEM;
        for (size_t i = 0; node_at(&array, i, &element); i++) {
                struct scene_guard *g = &d->guards[d->n_guards++];

                r = parse_guard(&element, dir, d, g);
                if (r < 0)
                        return r;
                for (size_t k = 0; k < i; k++)
                        if (strcmp(d->guards[k].name, g->name) == 0 && node_get(&element, "name", &name) > 0)
                                return node_fail_expected(&name, "a name that no other guard of the display has");
        }
        return 0;
}

static int find_screen(const struct json_node *entry, const struct scene *scene, size_t *ret)
{
        struct json_node node;
        const char *name;

        (void) node_get(entry, "screen", &node);
        name = json_string_value(node.value);
        for (size_t i = 0; i < scene->n_screens && name; i++)
                if (strcmp(scene->screens[i].name, name) == 0) {
                        *ret = i;
                        return 0;
                }
        return node_fail_expected(&node, "the name of a screen among \"screens\"");
}

/* A screen that has its size from its connector takes any region: what is beyond the picture is not seen. */
static int parse_place(const struct json_node *entry, const struct scene_screen *screen, struct scene_display *d)
{
        bool is_open = screen->width == 0;
        uint32_t size[2];
        struct json_node node;
        int r;

        d->region = (struct rectangle){ .width = screen->width, .height = screen->height };
        r = get_region(entry, &d->region);
        if (r < 0)
                return r;
        if (r == 0 && is_open)
                return node_fail(entry, "member \"region\" is missing: screen \"%s\" has no size of its own",
                                 screen->name);
        if (r > 0 && !is_open && !rectangle_fits(&d->region, screen->width, screen->height)) {
                (void) node_get(entry, "region", &node);
                return node_fail(&node, "is not inside the %u by %u pixels of screen \"%s\"", screen->width,
                                 screen->height, screen->name);
        }
        size[0] = d->region.width;
        size[1] = d->region.height;
        r = fields_get_numbers(entry, "size", 2, (const uint32_t[]){ 1, 1 }, SCENE_PIXELS_MAX, size);
        if (r < 0)
                return r;
        d->width = size[0];
        d->height = size[1];
        r = fields_get_int(entry, "order", -ORDER_MAX, ORDER_MAX, &d->order);
        return r < 0 ? r : 0;
}

static int parse_display(const struct json_node *entry, const char *dir, const struct scene *scene,
                         struct scene_display *d)
{
        static const char *const names[] = { "screen",   "region", "order", "scaling", "size",
                                             "fallback", "guards", NULL };
        unsigned scaling = SCALING_NONE;
        int r;

        d->name = strdup(entry->key);
        if (!d->name)
                return -ENOMEM;
        r = node_only_members(entry, names);
        if (r == 0)
                r = node_need_members(entry, (const char *const[]){ "screen", NULL });
        if (r == 0)
                r = find_screen(entry, scene, &d->screen);
        if (r == 0)
                r = parse_place(entry, &scene->screens[d->screen], d);
        if (r < 0)
                return r;
        r = node_get_choice(entry, "scaling", scalings, &scaling);
        if (r < 0)
                return r;
        d->scaling = (enum scene_scaling) scaling;
        r = get_filling(entry, "fallback", dir, &d->fallback_colour, &d->fallback_image);
        return r < 0 ? r : parse_guards(entry, dir, d);
}

int scene_parse_displays(const struct json_node *root, const char *dir, struct scene *s)
{
        struct json_node displays, entry;
        size_t n;
        int r = fields_get_named(root, "displays", SCENE_DISPLAYS_MAX, &displays, &n);

        if (r <= 0)
                return r;
        s->displays = calloc(n + 1, sizeof(*s->displays));
        if (!s->displays)
                return -ENOMEM;
        for (size_t i = 0; node_at(&displays, i, &entry); i++) {
                r = parse_display(&entry, dir, s, &s->displays[s->n_displays++]);
                if (r < 0)
                        return r;
        }
        return 0;
}

void scene_display_deinit(struct scene_display *d)
{
        for (size_t i = 0; i < d->n_guards; i++) {
                free(d->guards[i].name);
                free(d->guards[i].allowed);
                free(d->guards[i].cover);
        }
        free(d->guards);
        free(d->name);
        free(d->fallback_image);
        *d = (struct scene_display){ 0 };
}
