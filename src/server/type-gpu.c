/* SPDX-License-Identifier: MPL-2.0 */
/*
 * busbar device gpu: displays of several guests, composed on screens that they share. See docs/devices/gpu.md.
 *
 * Screens and their outputs run on the server's loop. Each guest's queues have a thread of their own, so that what a
 * guest asks for holds up no frame.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/virtio_gpu.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/ratelimit.h"
#include "device/gpu/gpu.h"
#include "display/control.h"
#include "display/outputs.h"
#include "display/screen.h"
#include "render/client.h"
#include "scene/scene.h"
#include "server/gpu-threads.h"
#include "server/server.h"
#include "server/types.h"
#include "virtio/device.h"

#define OWN_MAX 64
#define SCREENS_MAX (SCENE_SCREENS_MAX > OWN_MAX ? SCENE_SCREENS_MAX : OWN_MAX)
#define DISPLAYS_MAX (SCENE_DISPLAYS_MAX > OWN_MAX ? SCENE_DISPLAYS_MAX : OWN_MAX)
#define CALLS_MAX 64 /* of outputs */
#define RATE_HZ 60   /* without a scene */

struct gpu_server {
        struct scene scene;
        struct scene own[OWN_MAX]; /* without --scene: a screen for each display */
        size_t n_own;
        struct {
                struct screen *screen; /* owned */
                struct output *output; /* the screen's */
        } screens[SCREENS_MAX];
        size_t n_screens;
        struct render_host *render; /* owned; NULL: no guest has 3D */
        struct {
                struct device *device; /* borrowed */
                bool guarded, render3d;
        } guests[DISPLAYS_MAX]; /* each has a display */
        size_t n_guests;
        struct view *used[DISPLAYS_MAX]; /* a display is one guest's */
        size_t n_used;
        struct sandbox_call calls[CALLS_MAX]; /* that outputs need */
        size_t n_calls;
        struct display_control *control; /* owned; NULL: none wanted */
        struct ratelimit guard_lines;    /* of the log */
};

static const struct setting_spec gpu_settings[] = {
        { .name = "scene", .kind = SETTING_PATH, .scope = SETTING_SERVER,
          .help = "system file with the screens, and the displays that guests name" },
        { .name = "seat", .kind = SETTING_PATH, .scope = SETTING_SERVER,
          .help = "socket of the input server, for what people do at the screens" },
        { .name = "state", .kind = SETTING_PATH, .scope = SETTING_SERVER, .argument = "PREFIX",
          .help = "files PREFIX.GUEST in which guests' pictures outlive a server that is killed" },
        { .name = "control", .kind = SETTING_PATH, .scope = SETTING_SERVER,
          .help = "unix socket for screenshots, sizes, counters and guards" },
        { .name = "screen-size", .kind = SETTING_STRING, .scope = SETTING_SERVER, .argument = "WIDTHxHEIGHT",
          .default_text = "1280x720",
          .help = "without scene: size of the screen that each display has to itself, which is not put out" },
        { .name = "display", .kind = SETTING_STRING, .scope = SETTING_GUEST, .repeatable = true,
          .help = "name in the scene's displays; once for each of the guest's scanouts, in their order" },
        { .name = "render3d", .kind = SETTING_BOOL, .scope = SETTING_GUEST, .default_text = "off",
          .help = "offer 3D (virgl), rendered in a process of the guest's own" },
        { .name = "max-resources", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .min = 1, .max = GPU_RESOURCES_MAX,
          .default_text = "4096", .help = "pictures, cursors and buffers that the guest may have" },
        { .name = "max-bytes", .kind = SETTING_SIZE, .scope = SETTING_GUEST, .min = 4096, .max = UINT64_C(1) << 40,
          .default_text = "256M", .help = "memory of the host that they may take" },
        { .name = NULL },
};

static const struct feature_name gpu_feature_names[] = {
        { "virgl", VIRTIO_GPU_F_VIRGL },
        { "edid", VIRTIO_GPU_F_EDID },
        { "resource-uuid", VIRTIO_GPU_F_RESOURCE_UUID },
        { "resource-blob", VIRTIO_GPU_F_RESOURCE_BLOB },
        { .name = NULL },
};

/* Logged by whoever listens to the control socket; here only without one. */
static void on_guard(const struct screen_guard_event *e, void *data)
{
        struct gpu_server *gs = data;

        if (gs->control)
                display_control_tell_guard(gs->control, e);
        else if (ratelimit_take(&gs->guard_lines, 1, e->time_ns))
                log_warning(e->display, "guard %s %s", e->guard,
                            e->violated ? "is violated: its region is covered" : "holds again");
}

/* Return: 0; a negative errno after server_error(). */
static int add_screen(struct server *server, const struct scene *scene, size_t index)
{
        struct gpu_server *gs = server_data(server);
        const struct scene_screen *about = &scene->screens[index];
        auto_cleanup(freep) char *error = NULL;
        struct screen *screen;
        struct output *output;
        int r;

        r = output_open(server_loop(server), about, settings_string(server_settings(server), "seat"), &error, &output);
        if (r < 0)
                return server_error(server, r, "screen %s: %s", about->name, error ? error : strerror(-r));
        r = screen_new(server_loop(server), scene, index, &screen, &error);
        if (r < 0) {
                output_free(output);
                return server_error(server, r, "screen %s: %s", about->name, error ? error : strerror(-r));
        }
        gs->screens[gs->n_screens].screen = screen;
        gs->screens[gs->n_screens].output = output;
        gs->n_screens++;
        screen_on_guard(screen, on_guard, gs);
        r = screen_add_output(screen, output);
        if (r == 0 && gs->control)
                r = display_control_add_screen(gs->control, screen);
        return r < 0 ? server_error(server, r, "screen %s: %s", about->name, strerror(-r)) : 0;
}

static int gpu_open(struct server *server, const struct settings *settings)
{
        const char *path = settings_string(settings, "scene");
        struct gpu_server *gs = calloc(1, sizeof(*gs));
        auto_cleanup(freep) char *error = NULL;
        int r = 0;

        if (!gs)
                return -ENOMEM;
        server_set_data(server, gs);
        ratelimit_init(&gs->guard_lines, 1, 10);
        if (settings_given(settings, "control"))
                r = display_control_open(server_loop(server), settings_string(settings, "control"), &gs->control);
        if (r < 0)
                return server_error(server, r, "control=%s: %s", settings_string(settings, "control"), strerror(-r));
        if (path)
                r = scene_load(path, &gs->scene, &error);
        if (r < 0)
                return error ? server_error(server, r, "%s", error) : r;
        for (size_t i = 0; i < gs->scene.n_screens && r == 0; i++)
                r = add_screen(server, &gs->scene, i);
        gpu_threads_begin(); /* what windows have started by now is not to inherit it */
        return r;
}

/* A screen that is all one display of the same name. */
static int make_own(struct server *server, struct scene *scene, const char *name)
{
        const char *size = settings_string(server_settings(server), "screen-size");
        uint32_t width, height;

        if (scene_parse_size(size, &width, &height) < 0)
                return server_error(server, -EINVAL, "screen-size=%s: expected WIDTHxHEIGHT, each at most %d", size,
                                    SCENE_PIXELS_MAX);
        scene->screens = calloc(1, sizeof(*scene->screens));
        scene->displays = calloc(1, sizeof(*scene->displays));
        if (!scene->screens || !scene->displays)
                return -ENOMEM;
        scene->n_screens = scene->n_displays = 1;
        scene->screens[0] = (struct scene_screen) { .name = strdup(name), .output = OUTPUT_HEADLESS, .width = width,
                                                    .height = height, .rate_hz = RATE_HZ };
        scene->displays[0] = (struct scene_display) { .name = strdup(name), .region = { 0, 0, width, height },
                                                      .width = width, .height = height };
        return scene->screens[0].name && scene->displays[0].name ? 0 : -ENOMEM;
}

static int add_own(struct server *server, const char *display)
{
        struct gpu_server *gs = server_data(server);
        struct scene *scene;
        int r;

        if (gs->n_own == OWN_MAX)
                return server_error(server, -ENOSPC, "more than %d displays without a scene", OWN_MAX);
        scene = &gs->own[gs->n_own++];
        r = make_own(server, scene, display);
        return r < 0 ? r : add_screen(server, scene, 0);
}

static struct view *find_view(const struct gpu_server *gs, const char *display)
{
        struct view *view = NULL;

        for (size_t i = 0; i < gs->n_screens && !view; i++)
                view = screen_find_view(gs->screens[i].screen, display);
        return view;
}

/* One of the scene's; without a scene, one on a screen of its own. */
static int take_view(struct server *server, const char *display, struct view **ret)
{
        struct gpu_server *gs = server_data(server);
        struct view *view = find_view(gs, display);

        if (!view && settings_given(server_settings(server), "scene"))
                return server_error(server, -ENOENT, "display=%s: there is none of that name", display);
        if (!view) {
                int r = add_own(server, display);

                if (r < 0)
                        return r;
                view = find_view(gs, display);
        }
        for (size_t i = 0; i < gs->n_used; i++)
                if (gs->used[i] == view)
                        return server_error(server, -EBUSY, "display=%s: it is used already", display);
        gs->used[gs->n_used++] = view; /* they are not more than there are displays */
        *ret = view;
        return 0;
}

static int take_views(struct server *server, const struct settings *guest, const char *id, struct view **views,
                      unsigned *ret_n)
{
        size_t n = settings_count(guest, "display");
        int r = 0;

        if (n == 0 && !settings_given(server_settings(server), "scene")) {
                *ret_n = 1;
                return take_view(server, id, &views[0]);
        }
        if (n == 0 || n > GPU_SCANOUTS_MAX)
                return server_error(server, -EINVAL, "expected 1 to %d displays", GPU_SCANOUTS_MAX);
        for (size_t i = 0; i < n && r == 0; i++)
                r = take_view(server, settings_string_at(guest, "display", i), &views[i]);
        *ret_n = (unsigned) n;
        return r;
}

/* The name is the guest's own, which is no path. */
static int open_state(struct server *server, const char *id, int *ret)
{
        const char *prefix = settings_string(server_settings(server), "state");
        auto_cleanup(closep) int fd = -1;
        char path[PATH_MAX];
        struct stat st;

        if (!prefix)
                return 0;
        if (strchr(id, '/') || snprintf(path, sizeof(path), "%s.%s", prefix, id) >= (int) sizeof(path))
                return server_error(server, -EINVAL, "state=%s: no file can be named after the guest", prefix);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0 || fstat(fd, &st) < 0)
                return server_error(server, -errno, "state %s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return server_error(server, -EINVAL, "state %s: not a regular file", path);
        *ret = take_fd(&fd);
        return 0;
}

/* The guest's way to 3D, and the program behind it if this is the first. */
static int add_render(struct server *server, struct render **ret)
{
        struct gpu_server *gs = server_data(server);
        int r = gs->render ? 0 : render_host_new(server_loop(server), NULL, &gs->render);

        if (r == -ENOENT)
                return server_error(server, r, "render3d: there is no busbar-render: this build has no virglrenderer");
        if (r == 0)
                r = render_new(gs->render, ret);
        return r < 0 ? server_error(server, r, "render3d: %s", strerror(-r)) : 0;
}

/* Is any of its displays looked at by a guard? */
static bool is_guarded(const struct gpu_server *gs, const struct settings *guest)
{
        for (size_t i = 0; i < settings_count(guest, "display"); i++)
                for (size_t k = 0; k < gs->scene.n_displays; k++)
                        if (gs->scene.displays[k].n_guards > 0 &&
                            strcmp(gs->scene.displays[k].name, settings_string_at(guest, "display", i)) == 0)
                                return true;
        return false;
}

static int gpu_guest_new(struct server *server, const struct settings *guest, const char *id, struct device **ret)
{
        struct gpu_server *gs = server_data(server);
        struct view *views[GPU_SCANOUTS_MAX];
        struct gpu_options options = {
                .views = views,
                .max_resources = (uint32_t) settings_number(guest, "max-resources"),
                .max_bytes = settings_number(guest, "max-bytes"),
                .urgent = is_guarded(gs, guest),
        };
        auto_cleanup(closep) int state_fd = -1;
        int r;

        r = take_views(server, guest, id, views, &options.n_views);
        if (r == 0)
                r = open_state(server, id, &state_fd);
        if (r == 0 && settings_bool(guest, "render3d"))
                r = add_render(server, &options.render);
        options.state_fd = state_fd;
        if (r == 0)
                r = gpu_new(server_loop(server), id, &options, ret);
        if (r < 0)
                render_free(options.render);
        if (r < 0)
                return r;
        gs->guests[gs->n_guests].device = *ret;
        gs->guests[gs->n_guests].guarded = options.urgent;
        gs->guests[gs->n_guests++].render3d = options.render != NULL;
        return 0;
}

static int allow_calls(struct gpu_server *gs, const char *const *names)
{
        for (; names && *names; names++) {
                if (gs->n_calls == CALLS_MAX - 1)
                        return -ENOSPC;
                gs->calls[gs->n_calls++] = (struct sandbox_call) { .name = *names };
        }
        return 0;
}

static int allow_ioctls(struct gpu_server *gs, uint8_t type)
{
        if (gs->n_calls == CALLS_MAX - 1)
                return -ENOSPC;
        gs->calls[gs->n_calls++] = (struct sandbox_call) SANDBOX_CALL_IF("ioctl", 1, 0xff00, (uint64_t) type << 8);
        return 0;
}

static int gpu_sandbox(struct server *server, struct sandbox *sandbox)
{
        static const char *const render_calls[] = { "socketpair", "wait4", NULL };
        struct gpu_server *gs = server_data(server);
        int r = gs->render ? allow_calls(gs, render_calls) : 0;

        for (size_t i = 0; i < gs->n_screens && r == 0; i++) {
                const struct output *o = gs->screens[i].output;
                struct output_needs needs = { 0 };

                if (o->ops->needs)
                        o->ops->needs(o, &needs);
                if (needs.own_rules)
                        sandbox->off = true;
                r = allow_calls(gs, needs.calls);
                if (r == 0 && needs.ioctl_type)
                        r = allow_ioctls(gs, needs.ioctl_type);
                if (r == 0 && needs.removes)
                        r = sandbox_allow_removal(sandbox, needs.removes);
        }
        if (r == 0 && gs->control)
                r = sandbox_allow_removal(sandbox, settings_string(server_settings(server), "control"));
        return r < 0 ? r : sandbox_allow_calls(sandbox, gs->calls);
}

static int gpu_start_threads(struct server *server)
{
        struct gpu_server *gs = server_data(server);
        int r = 0;

        for (size_t i = 0; i < gs->n_guests; i++)
                gpu_threads_set(gs->guests[i].device->queues[0].loop, gs->guests[i].guarded);
        gpu_threads_end();
        for (size_t i = 0; i < gs->n_screens && r == 0; i++)
                r = output_start(gs->screens[i].output);
        if (r == 0 && gs->control)
                r = display_control_start(gs->control);
        for (size_t i = 0; i < gs->n_guests && r == 0; i++)
                r = gs->guests[i].render3d ? gpu_start_thread(gs->guests[i].device) : 0;
        return r;
}

static void gpu_close(struct server *server)
{
        struct gpu_server *gs = server_data(server);

        if (!gs)
                return;
        if (gs->control)
                (void) unlink(settings_string(server_settings(server), "control"));
        display_control_free(gs->control);
        for (size_t i = 0; i < gs->n_screens; i++)
                screen_free(gs->screens[i].screen);
        render_host_free(gs->render);
        for (size_t i = 0; i < gs->n_own; i++)
                scene_deinit(&gs->own[i]);
        scene_deinit(&gs->scene);
        free(gs);
        server_set_data(server, NULL);
}

const struct server_type server_type_gpu = {
        .name = "gpu",
        .summary = SERVER_SUMMARY_GPU,
        .vhost_type = "gpu",
        .settings = gpu_settings,
        .guest_new = gpu_guest_new,
        .features = gpu_feature_names,
        .guest_threads = true,
        .open = gpu_open,
        .sandbox = gpu_sandbox,
        .start_last_threads = gpu_start_threads,
        .close = gpu_close,
};
