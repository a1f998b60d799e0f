/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the files of the scene's parser share. Order: screens before displays (which name them), displays before the
 * screens' inputs (whose key focus names them), speakers before audio.
 */
#pragma once

#include <stdint.h>

#include "scene/scene.h"

#define SCENE_GUARD_LIMIT_MS_MIN 20
#define SCENE_GUARD_LIMIT_MS_MAX 60000

/* A member "#rrggbb". As the readers of json-reader.h. */
int scene_get_colour(const struct json_node *object, const char *key, uint32_t *ret);

int scene_parse_screens(const struct json_node *root, const char *dir, struct scene *s);
int scene_parse_displays(const struct json_node *root, const char *dir, struct scene *s);
/* The members `input` of the screens. */
int scene_parse_inputs(const struct json_node *root, struct scene *s);
int scene_parse_speakers(const struct json_node *root, const char *dir, struct scene *s);
int scene_parse_audio(const struct json_node *root, struct scene *s);

void scene_screen_deinit(struct scene_screen *s);
void scene_display_deinit(struct scene_display *d);
void scene_speakers_deinit(struct scene_speakers *s);
void scene_audio_deinit(struct scene_audio *a);
