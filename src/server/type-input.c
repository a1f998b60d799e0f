/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Device type input: what people do on screens, for the guests that are shown there.
 *
 * With a scene its screens and displays decide whose each touch is. Without, each guest's display is a screen of its
 * own, of that name.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "device/input.h"
#include "scene/scene.h"
#include "seat/evdev.h"
#include "seat/receiver.h"
#include "seat/router.h"
#include "server/server.h"
#include "server/types.h"
#include "virtio/device.h"

#define SOURCES_MAX (SCENE_SCREENS_MAX * SCENE_SOURCES_MAX)

static const char *const kinds[] = {
        [SINK_TOUCH] = "touch",
        [SINK_KEYBOARD] = "keyboard",
        [SINK_POINTER] = "pointer",
        [SINK_ROTARY] = "rotary",
        [SINK_KINDS] = NULL,
};

static const struct setting_spec input_settings[] = {
        { .name = "scene", .kind = SETTING_PATH, .scope = SETTING_SERVER, .argument = "FILE",
          .help = "system file with the screens and displays; none: each display is a screen of its own" },
        { .name = "screen-size", .kind = SETTING_STRING, .scope = SETTING_SERVER, .argument = "WIDTHxHEIGHT",
          .default_text = "1280x720", .help = "without a scene: pixels of each screen" },
        { .name = "seat", .kind = SETTING_PATH, .scope = SETTING_SERVER,
          .help = "socket on which screens and 'busbar input' say what people do" },
        { .name = "kind", .kind = SETTING_CHOICE, .scope = SETTING_GUEST, .choices = kinds, .default_text = "touch",
          .help = "what the guest's device is" },
        { .name = "display", .kind = SETTING_STRING, .scope = SETTING_GUEST, .argument = "NAME", .required = true,
          .help = "display of the guest; one device of each kind a display" },
        { .name = NULL },
};

/* A sender's end is noticed; devices of the host come and go (EVIOC*). */
static const struct sandbox_call input_calls[] = {
        SANDBOX_CALL_IF("ioctl", 1, 0xff00, 'E' << 8),
        SANDBOX_CALL("open"),
        SANDBOX_CALL("openat"),
        SANDBOX_CALL("pidfd_open"),
        { .name = NULL },
};

struct seat {
        struct scene scene;
        bool own_scene; /* made here: displays are named as guests ask for them */
        struct seat_router *router;     /* owned */
        struct seat_receiver *receiver; /* owned; NULL: none */
        struct seat_evdev *sources[SOURCES_MAX]; /* owned */
        size_t n_sources;
};

static int load_scene(struct server *server, struct seat *seat, const char *path)
{
        auto_cleanup(freep) char *error = NULL;
        int r = scene_load(path, &seat->scene, &error);

        return r < 0 ? server_error(server, r, "%s", error ? error : strerror(-r)) : 0;
}

/* As many screens as there may be displays, each with one that fills it; not yet named. */
static int make_scene(struct server *server, struct seat *seat, const char *size)
{
        struct scene *s = &seat->scene;
        uint32_t width, height;

        if (scene_parse_size(size, &width, &height) < 0)
                return server_error(server, -EINVAL, "screen-size=%s: expected WIDTHxHEIGHT, each at most %d", size,
                                    SCENE_PIXELS_MAX);
        seat->own_scene = true;
        s->screens = calloc(SCENE_DISPLAYS_MAX, sizeof(*s->screens));
        s->displays = calloc(SCENE_DISPLAYS_MAX, sizeof(*s->displays));
        if (!s->screens || !s->displays)
                return -ENOMEM;
        for (size_t i = 0; i < SCENE_DISPLAYS_MAX; i++) {
                struct scene_screen *screen = &s->screens[s->n_screens++];
                struct scene_display *display = &s->displays[s->n_displays++];

                *screen = (struct scene_screen) { .name = strdup(""), .width = width, .height = height };
                *display = (struct scene_display) { .name = strdup(""), .screen = i, .width = width, .height = height,
                                                    .region = { 0, 0, width, height } };
                if (!screen->name || !display->name)
                        return -ENOMEM;
        }
        return 0;
}

/* Gives a name to a display and a screen that have none yet, unless there are some of that name; the keys go there,
   too. */
static int name_display(struct server *server, struct seat *seat, const char *name)
{
        struct scene *s = &seat->scene;

        for (size_t i = 0; i < s->n_displays; i++) {
                if (strcmp(s->displays[i].name, name) == 0)
                        return 0;
                if (*s->displays[i].name)
                        continue;
                free(s->displays[i].name);
                free(s->screens[i].name);
                s->displays[i].name = strdup(name);
                s->screens[i].name = strdup(name);
                if (!s->displays[i].name || !s->screens[i].name)
                        return -ENOMEM;
                seat_router_set_focus(seat->router, i, i);
                return 0;
        }
        return server_error(server, -ENOSPC, "more than %d displays", SCENE_DISPLAYS_MAX);
}

static int open_sources(struct server *server, struct seat *seat)
{
        for (size_t i = 0; i < seat->scene.n_screens; i++) {
                const struct scene_screen *screen = &seat->scene.screens[i];

                for (size_t k = 0; k < screen->n_sources && seat->n_sources < SOURCES_MAX; k++) {
                        int r = seat_evdev_new(server_loop(server), seat->router, i, screen->sources[k],
                                               &seat->sources[seat->n_sources]);

                        if (r == -EOPNOTSUPP)
                                return server_error(server, r,
                                                    "screen %s: %s: this build lacks libevdev, which input devices "
                                                    "of the host need",
                                                    screen->name, screen->sources[k]);
                        if (r < 0)
                                return server_error(server, r, "screen %s: %s: %s", screen->name, screen->sources[k],
                                                    r == -ENOTTY ? "not an input device" : strerror(-r));
                        seat->n_sources++;
                }
        }
        return 0;
}

static int input_open(struct server *server, const struct settings *settings)
{
        struct seat *seat = calloc(1, sizeof(*seat));
        const char *scene = settings_string(settings, "scene"), *path = settings_string(settings, "seat");
        int r;

        server_set_data(server, seat);
        if (!seat)
                return -ENOMEM;
        r = scene ? load_scene(server, seat, scene)
                  : make_scene(server, seat, settings_string(settings, "screen-size"));
        if (r == 0)
                r = seat_router_new(&seat->scene, &seat->router);
        if (r == 0 && path) {
                r = seat_receiver_new(server_loop(server), path, seat->router, &seat->receiver);
                if (r < 0)
                        return server_error(server, r, "seat=%s: %s", path, strerror(-r));
        }
        return r == 0 ? open_sources(server, seat) : r;
}

static int input_guest_new(struct server *server, const struct settings *guest, const char *id, struct device **ret)
{
        struct seat *seat = server_data(server);
        const char *name = settings_string(guest, "display");
        struct input_options options = { .kind = (enum sink_kind) settings_choice(guest, "kind") };
        const struct scene_display *display;
        struct device *device;
        int r = 0;

        if (!*name || strlen(name) > SEAT_NAME_MAX)
                return server_error(server, -EINVAL, "display=%s: expected a name of 1 to %d bytes", name,
                                    SEAT_NAME_MAX);
        if (seat->own_scene)
                r = name_display(server, seat, name);
        if (r < 0)
                return r;
        display = scene_find_display(&seat->scene, name);
        if (!display)
                return server_error(server, -ENOENT, "display=%s: the scene has no such display", name);
        if (seat->scene.screens[display->screen].width == 0)
                return server_error(server, -EINVAL, "display=%s: input needs the \"size\" of its screen %s", name,
                                    seat->scene.screens[display->screen].name);
        options.width = display->width;
        options.height = display->height;
        r = input_new(server_loop(server), id, &options, &device);
        if (r < 0)
                return r;
        r = seat_router_add(seat->router, name, input_sink(device));
        if (r < 0) {
                device_free(device);
                return server_error(server, r, "display=%s: another guest's device of kind %s has it", name,
                                    kinds[options.kind]);
        }
        *ret = device;
        return 0;
}

/* Devices that went away are opened again; where there is no such folder yet, none will come. */
static int allow_sources(const struct seat *seat, struct sandbox *sandbox)
{
        int r;

        if (seat->n_sources == 0)
                return 0;
        r = sandbox_allow_path(sandbox, "/dev/input", SANDBOX_READ | SANDBOX_DEVICE);
        return r == -ENOENT ? 0 : r;
}

static int input_sandbox(struct server *server, struct sandbox *sandbox)
{
        const struct seat *seat = server_data(server);
        const char *path = settings_string(server_settings(server), "seat");
        int r = allow_sources(seat, sandbox);

        return r < 0 || !path ? r : sandbox_allow_removal(sandbox, path);
}

static void input_close(struct server *server)
{
        struct seat *seat = server_data(server);

        if (!seat)
                return;
        for (size_t i = 0; i < seat->n_sources; i++)
                seat_evdev_free(seat->sources[i]);
        seat_receiver_free(seat->receiver);
        seat_router_free(seat->router);
        scene_deinit(&seat->scene);
        free(seat);
}

const struct server_type server_type_input = {
        .name = "input",
        .summary = SERVER_SUMMARY_INPUT,
        .vhost_type = "input",
        .settings = input_settings,
        .system_calls = input_calls,
        .guest_new = input_guest_new,
        .open = input_open,
        .sandbox = input_sandbox,
        .close = input_close,
};
