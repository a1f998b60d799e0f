/* SPDX-License-Identifier: MPL-2.0 */
#include "scene/scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json-fields.h"
#include "base/json-reader.h"
#include "scene/scene-parse.h"

/* As large as a system file may be, which this is. */
#define FILE_MAX_BYTES (1U << 20)

int scene_get_colour(const struct json_node *object, const char *key, uint32_t *ret)
{
        struct json_node node;
        const char *s;
        int r = node_get(object, key, &node);

        if (r <= 0)
                return r;
        s = json_string_value(node.value);
        if (!s || s[0] != '#' || strlen(s) != 7 || strspn(s + 1, "0123456789abcdefABCDEF") != 6)
                return node_fail_expected(&node, "a colour such as \"#20c040\"");
        *ret = (uint32_t) strtoul(s + 1, NULL, 16);
        return 1;
}

int scene_parse(const struct json_node *root, const char *dir, struct scene *ret)
{
        int r = scene_parse_screens(root, dir, ret);

        if (r == 0)
                r = scene_parse_displays(root, dir, ret);
        if (r == 0)
                r = scene_parse_inputs(root, ret);
        if (r == 0)
                r = scene_parse_speakers(root, dir, ret);
        if (r == 0)
                r = scene_parse_audio(root, ret);
        return r;
}

static int load_text(const char *path, const char *text, size_t n, struct scene *ret, char **ret_error)
{
        const char *slash = strrchr(path, '/');
        auto_cleanup(freep) char *dir = slash ? strndup(path, (size_t) (slash - path)) : NULL;
        struct json_document document;
        struct json_node root;
        int r;

        r = document_parse(&document, path, text, n, FILE_MAX_BYTES);
        if (r == 0) {
                root = document_root(&document);
                r = slash && !dir ? -ENOMEM : scene_parse(&root, dir, ret);
        }
        if (r == -EINVAL)
                *ret_error = take_ptr(&document.error);
        document_deinit(&document);
        return r;
}

int scene_parse_size(const char *text, uint32_t *ret_width, uint32_t *ret_height)
{
        unsigned width, height;
        char rest;

        if (sscanf(text, "%5ux%5u%c", &width, &height, &rest) != 2 || width == 0 || height == 0 ||
            width > SCENE_PIXELS_MAX || height > SCENE_PIXELS_MAX)
                return -EINVAL;
        *ret_width = width;
        *ret_height = height;
        return 0;
}

int scene_load(const char *path, struct scene *ret, char **ret_error)
{
        auto_cleanup(freep) char *absolute = realpath(path, NULL), *text = NULL;
        auto_cleanup(scene_deinit) struct scene scene = { 0 };
        char *error = NULL;
        size_t n;
        int r = absolute ? 0 : -errno;

        if (r == 0)
                r = fd_read_file(absolute, FILE_MAX_BYTES, &text, &n);
        if (r == 0)
                r = load_text(absolute, text, n, &scene, &error);
        if (r < 0) {
                if (!error && asprintf(&error, "%s: %s", path, strerror(-r)) < 0)
                        error = NULL;
                *ret_error = error;
                return r;
        }
        *ret = scene;
        scene = (struct scene){ 0 };
        return 0;
}

void scene_deinit(struct scene *s)
{
        for (size_t i = 0; i < s->n_screens; i++)
                scene_screen_deinit(&s->screens[i]);
        for (size_t i = 0; i < s->n_displays; i++)
                scene_display_deinit(&s->displays[i]);
        for (size_t i = 0; i < s->n_speakers; i++)
                scene_speakers_deinit(&s->speakers[i]);
        for (size_t i = 0; i < s->n_audio; i++)
                scene_audio_deinit(&s->audio[i]);
        free(s->screens);
        free(s->displays);
        free(s->speakers);
        free(s->audio);
        *s = (struct scene){ 0 };
}

const struct scene_display *scene_find_display(const struct scene *s, const char *name)
{
        for (size_t i = 0; i < s->n_displays; i++)
                if (strcmp(s->displays[i].name, name) == 0)
                        return &s->displays[i];
        return NULL;
}

const struct scene_audio *scene_find_audio(const struct scene *s, const char *name)
{
        for (size_t i = 0; i < s->n_audio; i++)
                if (strcmp(s->audio[i].name, name) == 0)
                        return &s->audio[i];
        return NULL;
}
