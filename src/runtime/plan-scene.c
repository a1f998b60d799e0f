/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Servers of screens, input and loudspeakers, one of each for a system:
 *
 *      displays   --scene, --seat, --control, --state     composes what guests draw; its outputs' touches and keys go
 *                                                         to the seat
 *      seat       --scene, --seat                         gives touches and keys to the guest that is meant
 *      sound      --scene, --control, --state             mixes what guests play
 *
 * They read the scene from the system file. A bundle alone has none: it gets a file of its own in its folder, with a
 * screen for each display and loudspeakers that nobody hears for each audio. The sockets of the seat and for control
 * are the servers' own to make, as nobody waits for them while a server is started again.
 */
#include "runtime/plan-internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "runtime/bundle-device.h"

/* Of a bundle alone. */
#define SCREEN_WIDTH 1280
#define SCREEN_HEIGHT 720

static const struct {
        const char *name, *type, *control; /* control: the socket's name in the folder; NULL: none */
        bool has_seat;
        const char *state; /* what files in the folder begin with that outlive a killed server; NULL: none */
} kinds[] = {
        [SHARED_DISPLAYS] = { PLAN_DISPLAYS, "gpu", PLAN_DISPLAYS_CONTROL, true, PLAN_DISPLAYS_STATE },
        [SHARED_SEAT] = { "seat", "input", NULL, true },
        [SHARED_SOUND] = { "sound", "sound", PLAN_SOUND_CONTROL, false, PLAN_SOUND_STATE },
};

static int add_option(struct planner *p, struct planned_server *s, const char *option, const char *file)
{
        char *path;
        int r = plan_format(&path, "%s/%s", p->plan->dir, file);

        if (r < 0)
                return r;
        r = words_take_append(&s->argv, strdup(option));
        if (r < 0) {
                free(path);
                return r;
        }
        r = words_take_append(&s->argv, path);
        return r < 0 ? r : plan_check_socket_path(p, path);
}

static int add_shared(struct planner *p, const struct part *part, enum shared_server kind)
{
        const char *argv[] = { "device", kinds[kind].type, "--scene", p->plan->scene_path, NULL };
        struct planned_server *s =
                plan_add_server(p, strdup(kinds[kind].name), *p->system ? NULL : part->id, argv);
        int r = 0;

        if (!s)
                return -ENOMEM;
        p->shared[kind] = s;
        if (kinds[kind].has_seat)
                r = add_option(p, s, "--seat", PLAN_SEAT);
        if (r == 0 && kinds[kind].control)
                r = add_option(p, s, "--control", kinds[kind].control);
        if (r == 0 && kinds[kind].state)
                r = add_option(p, s, "--state", kinds[kind].state);
        return r;
}

int plan_find_shared(struct planner *p, const struct part *part, const struct bundle_device *d,
                     struct planned_server **ret)
{
        enum shared_server kind = d->type == DEVICE_GPU     ? SHARED_DISPLAYS
                                  : d->type == DEVICE_INPUT ? SHARED_SEAT
                                                            : SHARED_SOUND;
        int r = p->shared[kind] ? 0 : add_shared(p, part, kind);

        if (r < 0)
                return r;
        *ret = p->shared[kind];
        if ((*ret)->n_sockets >= PLAN_PORTS_MAX)
                return plan_fail(p, -EINVAL, "%s: device \"%s\": more than %d devices of type %s", part->id, d->id,
                                 PLAN_PORTS_MAX, kinds[kind].type);
        return 0;
}

void plan_put_shared(struct guest_words *w, const struct bundle_device *d)
{
        if (d->type == DEVICE_INPUT)
                guest_words_put(w, "kind", "%s", input_kind_name(d->kind));
        for (size_t i = 0; i < d->n_displays; i++)
                guest_words_put(w, "display", "%s", d->displays[i]);
        if (d->render_3d)
                guest_words_put(w, "render3d", "on");
        if (d->type == DEVICE_SOUND)
                guest_words_put(w, "audio", "%s", d->audio);
}

static json_t *make_screen(const char *display)
{
        return json_pack("{s[ii], s{ss}}", "size", SCREEN_WIDTH, SCREEN_HEIGHT, "input", "keyFocus", display);
}

static bool make_parts(const struct bundle *b, json_t *screens, json_t *displays, json_t *speakers, json_t *audio)
{
        for (size_t i = 0; i < b->n_devices; i++) {
                const struct bundle_device *d = &b->devices[i];

                for (size_t k = 0; k < d->n_displays; k++)
                        if (json_object_set_new(screens, d->displays[k], make_screen(d->displays[k])) < 0 ||
                            json_object_set_new(displays, d->displays[k],
                                                json_pack("{ss}", "screen", d->displays[k])) < 0)
                                return false;
                if (d->audio &&
                    (json_object_set_new(speakers, d->audio, json_pack("{ss}", "backend", "null")) < 0 ||
                     json_object_set_new(audio, d->audio,
                                         json_pack("{ss, sb}", "speakers", d->audio, "capture", 1)) < 0))
                        return false;
        }
        return true;
}

/* What the servers would refuse is said here, where the bundle is at hand. */
static int check_own(const struct planner *p, const struct part *part)
{
        const struct bundle *b = part->bundle;

        for (size_t i = 0; i < b->n_devices; i++)
                for (size_t k = 0; k < i; k++) {
                        const struct bundle_device *d = &b->devices[i], *other = &b->devices[k];
                        bool is_same = d->type == other->type &&
                                       (d->type == DEVICE_GPU || (d->type == DEVICE_INPUT && d->kind == other->kind));

                        for (size_t j = 0; j < d->n_displays && is_same; j++)
                                for (size_t l = 0; l < other->n_displays; l++)
                                        if (strcmp(d->displays[j], other->displays[l]) == 0)
                                                return plan_fail(p, -EINVAL,
                                                                 "%s: devices \"%s\" and \"%s\" "
                                                                 "are both on display \"%s\"",
                                                                 part->id, other->id, d->id, d->displays[j]);
                }
        return 0;
}

int plan_make_scene(struct planner *p, const struct part *part)
{
        json_t *all;
        json_t *screens = json_object(), *displays = json_object(), *speakers = json_object(), *audio = json_object();
        bool is_made = make_parts(part->bundle, screens, displays, speakers, audio);
        size_t n_screens = json_object_size(screens), n_speakers = json_object_size(speakers);
        int r;

        all = json_pack("{so, so, so, so}", "screens", screens, "displays", displays, "speakers", speakers, "audio",
                        audio);
        if (is_made && all && n_screens + n_speakers > 0)
                p->plan->scene_text = json_dumps(all, JSON_INDENT(8));
        json_decref(all);
        if (n_screens + n_speakers == 0)
                return is_made ? 0 : -ENOMEM;
        if (!p->plan->scene_text)
                return -ENOMEM;
        r = check_own(p, part);
        if (r < 0)
                return r;
        if (n_screens > SCENE_SCREENS_MAX || n_speakers > SCENE_SPEAKERS_MAX)
                return plan_fail(p, -EINVAL, "%s: more than %d displays or audio zones need a system file", part->id,
                                 n_screens > SCENE_SCREENS_MAX ? SCENE_SCREENS_MAX : SCENE_SPEAKERS_MAX);
        return plan_format(&p->plan->scene_path, "%s/scene.json", p->plan->dir);
}
