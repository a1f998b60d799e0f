/* SPDX-License-Identifier: MPL-2.0 */
/* The members `speakers` and `audio` of a system file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json-fields.h"
#include "base/json-reader.h"
#include "scene/scene-parse.h"

#define RATE_DEFAULT 48000
#define RATE_MIN 8000
#define RATE_MAX 192000
#define CHANNELS_DEFAULT 2
#define CHANNELS_MAX 8
#define PERIOD_US_DEFAULT 5000
#define PERIOD_US_MIN 1000
#define PERIOD_US_MAX 100000
#define DEVICE_MAX 127
#define PRIORITY_MAX 1000
#define DUCK_DB_DEFAULT 20
#define DUCK_DB_MAX 96

/* In the order of enum scene_sound_backend and enum scene_over. */
static const char *const backends[] = { "null", "wav", "alsa", "pipewire", "loopback", NULL };
static const char *const overs[] = { "mix", "duck", "interrupt", NULL };

#define COMMON_MEMBERS "backend", "rate", "channels", "periodUs"

static const char *const members[][6] = {
        [SOUND_NULL] = { COMMON_MEMBERS },
        [SOUND_WAV] = { COMMON_MEMBERS, "file" },
        [SOUND_ALSA] = { COMMON_MEMBERS, "device" },
        [SOUND_PIPEWIRE] = { COMMON_MEMBERS, "device" },
        [SOUND_LOOPBACK] = { COMMON_MEMBERS },
};

static int parse_one_speakers(const struct json_node *entry, const char *dir, struct scene_speakers *s)
{
        unsigned backend = SOUND_NULL;
        int r;

        *s = (struct scene_speakers){ .name = strdup(entry->key),
                                      .rate_hz = RATE_DEFAULT,
                                      .n_channels = CHANNELS_DEFAULT,
                                      .period_us = PERIOD_US_DEFAULT };
        if (!s->name)
                return -ENOMEM;
        r = node_need_members(entry, (const char *const[]){ "backend", NULL });
        if (r < 0)
                return r;
        r = node_get_choice(entry, "backend", backends, &backend);
        if (r < 0)
                return r;
        s->backend = (enum scene_sound_backend) backend;
        r = node_only_members(entry, members[backend]);
        if (r == 0 && s->backend == SOUND_WAV)
                r = node_need_members(entry, (const char *const[]){ "file", NULL });
        if (r < 0)
                return r;
        r = fields_get_u32(entry, "rate", RATE_MIN, RATE_MAX, &s->rate_hz);
        if (r < 0)
                return r;
        r = fields_get_u32(entry, "channels", 1, CHANNELS_MAX, &s->n_channels);
        if (r < 0)
                return r;
        r = fields_get_u32(entry, "periodUs", PERIOD_US_MIN, PERIOD_US_MAX, &s->period_us);
        if (r < 0)
                return r;
        r = fields_get_path(entry, "file", dir, &s->file);
        if (r < 0)
                return r;
        r = fields_get_text(entry, "device", DEVICE_MAX, &s->device);
        return r < 0 ? r : 0;
}

int scene_parse_speakers(const struct json_node *root, const char *dir, struct scene *s)
{
        struct json_node speakers, entry, file;
        size_t n;
        int r = fields_get_named(root, "speakers", SCENE_SPEAKERS_MAX, &speakers, &n);

        if (r <= 0)
                return r;
        s->speakers = calloc(n + 1, sizeof(*s->speakers));
        if (!s->speakers)
                return -ENOMEM;
        for (size_t i = 0; node_at(&speakers, i, &entry); i++) {
                struct scene_speakers *one = &s->speakers[s->n_speakers++];

                r = parse_one_speakers(&entry, dir, one);
                if (r < 0)
                        return r;
                for (size_t k = 0; k < i && one->file; k++)
                        if (s->speakers[k].file && strcmp(s->speakers[k].file, one->file) == 0 &&
                            node_get(&entry, "file", &file) > 0)
                                return node_fail_expected(&file, "a file that no other speakers write");
        }
        return 0;
}

static int find_speakers(const struct json_node *entry, const struct scene *scene, size_t *ret)
{
        struct json_node node;
        const char *name;

        (void) node_get(entry, "speakers", &node);
        name = json_string_value(node.value);
        for (size_t i = 0; i < scene->n_speakers && name; i++)
                if (strcmp(scene->speakers[i].name, name) == 0) {
                        *ret = i;
                        return 0;
                }
        return node_fail_expected(&node, "a name among \"speakers\"");
}

static int parse_one_audio(const struct json_node *entry, const struct scene *scene, struct scene_audio *a)
{
        static const char *const names[] = { "speakers", "priority", "over", "duckDb", "capture", "controls", NULL };
        unsigned over = OVER_MIX;
        int r;

        *a = (struct scene_audio){ .name = strdup(entry->key), .duck_db = DUCK_DB_DEFAULT, .controls = true };
        if (!a->name)
                return -ENOMEM;
        r = node_only_members(entry, names);
        if (r == 0)
                r = node_need_members(entry, (const char *const[]){ "speakers", NULL });
        if (r == 0)
                r = find_speakers(entry, scene, &a->speakers);
        if (r < 0)
                return r;
        r = fields_get_int(entry, "priority", -PRIORITY_MAX, PRIORITY_MAX, &a->priority);
        if (r < 0)
                return r;
        r = node_get_choice(entry, "over", overs, &over);
        if (r < 0)
                return r;
        a->over = (enum scene_over) over;
        r = fields_get_u32(entry, "duckDb", 0, DUCK_DB_MAX, &a->duck_db);
        if (r < 0)
                return r;
        r = node_get_bool(entry, "capture", &a->capture);
        if (r < 0)
                return r;
        r = node_get_bool(entry, "controls", &a->controls);
        return r < 0 ? r : 0;
}

int scene_parse_audio(const struct json_node *root, struct scene *s)
{
        struct json_node audio, entry;
        size_t n;
        int r = fields_get_named(root, "audio", SCENE_AUDIO_MAX, &audio, &n);

        if (r <= 0)
                return r;
        s->audio = calloc(n + 1, sizeof(*s->audio));
        if (!s->audio)
                return -ENOMEM;
        for (size_t i = 0; node_at(&audio, i, &entry); i++) {
                r = parse_one_audio(&entry, s, &s->audio[s->n_audio++]);
                if (r < 0)
                        return r;
        }
        return 0;
}

void scene_speakers_deinit(struct scene_speakers *s)
{
        free(s->name);
        free(s->file);
        free(s->device);
        *s = (struct scene_speakers){ 0 };
}

void scene_audio_deinit(struct scene_audio *a)
{
        free(a->name);
        *a = (struct scene_audio){ 0 };
}
