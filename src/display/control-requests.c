/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "display/control-private.h"
#include "display/dump.h"
#include "display/picture.h"
#include "display/screen.h"
#include "display/writer.h"

#define WATCHERS_MAX (DISPLAY_CONTROL_CLIENTS_MAX / 2)
#define SCREENSHOTS_MAX 4 /* that may wait */

static struct screen *find_screen(struct display_client *c, const json_t *name)
{
        const char *text = json_string_value(name);

        for (size_t i = 0; text && i < c->control->n_screens; i++)
                if (strcmp(screen_name(c->control->screens[i]), text) == 0)
                        return c->control->screens[i];
        client_send_error(c, text ? "there is no screen '%s'" : "expected the name of a screen", text);
        return NULL;
}

static bool check_given_fd(struct display_client *c)
{
        int r = c->given_fd < 0 ? -ENOENT : writer_check_fd(c->given_fd);

        if (r == -ENOENT)
                client_send_error(c, "the request came without a descriptor to write to");
        else if (r < 0)
                client_send_error(c, "the descriptor is not a pipe or regular file that is open for writing");
        return r == 0;
}

static int copy_picture(const struct picture *from, struct picture **ret)
{
        int r;

        if (!from)
                return -ENODATA;
        r = picture_new(from->format, from->width, from->height, ret);
        if (r == 0)
                memcpy((*ret)->pixels, from->pixels, from->size_bytes);
        return r;
}

/*
 * The next caller's screenshot, if none is being written: it is taken when its turn has come, so there is one copy at
 * a time.
 */
static void write_next(struct display_control *control)
{
        for (size_t i = 0; i < DISPLAY_CONTROL_CLIENTS_MAX && !writer_is_busy(control->writer); i++) {
                struct display_client *c = &control->clients[i];
                struct picture *copy;
                int r;

                if (!c->control || !c->wanted)
                        continue;
                r = copy_picture(screen_compose_now(c->wanted), &copy);
                if (!c->control || !c->wanted) { /* composing told it of a guard, and it was gone */
                        if (r == 0)
                                picture_unref(copy);
                        continue;
                }
                if (r < 0) {
                        c->wanted = NULL;
                        fd_close(&c->given_fd);
                        client_send_error(c, "no picture: %s", strerror(-r));
                        client_go_on(c);
                        continue;
                }
                control->writing_fd = take_fd(&c->given_fd);
                control->writes_for = c;
                writer_submit(control->writer, control->writing_fd, copy, NULL);
        }
}

void display_control_on_written(void *data, int result)
{
        struct display_control *control = data;
        struct display_client *c = control->writes_for;

        fd_close(&control->writing_fd);
        control->writes_for = NULL;
        if (c) {
                c->wanted = NULL;
                if (result == -ETIMEDOUT)
                        client_send_error(c, "nobody reads the pipe");
                else if (result < 0)
                        client_send_error(c, "cannot write: %s", strerror(-result));
                else
                        client_send_ok(c);
                client_go_on(c);
        }
        write_next(control);
}

static void on_screenshot(struct display_client *c, const json_t *value)
{
        struct screen *screen = find_screen(c, value);
        unsigned n_waiting = 0;

        if (!screen || !check_given_fd(c))
                return;
        for (size_t i = 0; i < DISPLAY_CONTROL_CLIENTS_MAX; i++)
                n_waiting += c->control->clients[i].control && c->control->clients[i].wanted;
        if (n_waiting == SCREENSHOTS_MAX) {
                client_send_error(c, "%u screenshots are being written", n_waiting);
                return;
        }
        c->wanted = screen;
        (void) watch_set_events(&c->watch, 0); /* its end is still told */
        write_next(c->control);
}

void display_control_on_dump_ended(void *data, int result)
{
        struct display_control *control = data;
        struct display_client *c = control->dumps_for;

        control->dumps_for = NULL;
        if (c)
                client_close(c);
}

static void on_dump(struct display_client *c, const json_t *value)
{
        struct screen *screen = find_screen(c, value);
        int r;

        if (!screen || !check_given_fd(c))
                return;
        r = dump_begin(c->control->dump, screen, take_fd(&c->given_fd));
        if (r < 0) {
                client_send_error(c, r == -EBUSY ? "another dump runs" : "no dump: %s", strerror(-r));
                return;
        }
        c->control->dumps_for = c;
        client_send_ok(c);
}

static void on_mode(struct display_client *c, const json_t *value)
{
        const char *display = json_string_value(json_object_get(value, "display"));
        const json_t *size = json_object_get(value, "size");
        json_int_t width = json_integer_value(json_array_get(size, 0)),
                   height = json_integer_value(json_array_get(size, 1));
        int r = -ENOENT;

        if (!display || json_object_size(value) != 2 || json_array_size(size) != 2 || width < 1 || height < 1 ||
            width > SCENE_PIXELS_MAX || height > SCENE_PIXELS_MAX) {
                client_send_error(c, "expected {\"display\": NAME, \"size\": [WIDTH, HEIGHT]}, at most %d",
                                  SCENE_PIXELS_MAX);
                return;
        }
        for (size_t i = 0; i < c->control->n_screens && r == -ENOENT; i++)
                r = screen_set_mode(c->control->screens[i], display, (uint32_t) width, (uint32_t) height);
        if (r == -ENOENT)
                client_send_error(c, "there is no display '%s'", display);
        else if (r < 0)
                client_send_error(c, "%s", strerror(-r));
        else
                client_send_ok(c);
}

static void add_guard(const struct screen_guard_event *e, void *data)
{
        json_t *guard = json_pack("{ss, ss, sb}", "display", e->display, "guard", e->guard, "violated", e->violated);
        char crc[9];

        (void) snprintf(crc, sizeof(crc), "%08x", e->crc);
        if (guard && e->has_crc)
                (void) json_object_set_new(guard, "crc", json_string(crc));
        (void) json_array_append_new(data, guard);
}

static json_t *screen_stats_to_json(struct screen *screen)
{
        json_t *guards = json_array();
        struct screen_stats stats;

        screen_get_stats(screen, &stats);
        if (guards)
                screen_for_each_guard(screen, add_guard, guards);
        return json_pack("{sI, sI, sI, sI, sI, sI, so}", "frames", (json_int_t) stats.n_frames, "pixels",
                         (json_int_t) stats.n_pixels, "late", (json_int_t) stats.n_late, "violations",
                         (json_int_t) stats.n_violations, "looks", (json_int_t) stats.n_looks, "lookPixels",
                         (json_int_t) stats.n_look_pixels, "guards", guards);
}

static void on_stats(struct display_client *c, const json_t *value)
{
        struct display_control *control = c->control;
        json_t *screens = json_object(), *answer = json_pack("{so}", "screens", screens);

        for (size_t i = 0; answer && i < control->n_screens; i++)
                (void) json_object_set_new(screens, screen_name(control->screens[i]),
                                           screen_stats_to_json(control->screens[i]));
        if (answer && control->on_stats)
                control->on_stats(answer, control->on_stats_data);
        client_send(c, answer);
}

static json_t *guard_event_to_json(const struct screen_guard_event *e)
{
        return json_pack("{ss, ss, ss, sb, sI}", "event", "guard", "display", e->display, "guard", e->guard, "violated",
                         e->violated, "timeNs", (json_int_t) e->time_ns);
}

static void send_if_violated(const struct screen_guard_event *e, void *data)
{
        struct display_client *c = data;

        if (c->control && e->violated)
                client_send(c, guard_event_to_json(e));
}

static void on_watch(struct display_client *c, const json_t *value)
{
        struct display_control *control = c->control;
        unsigned n_watching = 0;

        for (size_t i = 0; i < DISPLAY_CONTROL_CLIENTS_MAX; i++)
                n_watching += control->clients[i].control && control->clients[i].is_watching;
        if (n_watching == WATCHERS_MAX && !c->is_watching) {
                client_send_error(c, "%u others watch", n_watching);
                return;
        }
        c->is_watching = true;
        client_send_ok(c);
        for (size_t i = 0; i < control->n_screens; i++)
                screen_for_each_guard(control->screens[i], send_if_violated, c);
}

void display_control_tell_guard(struct display_control *control, const struct screen_guard_event *e)
{
        for (size_t i = 0; i < DISPLAY_CONTROL_CLIENTS_MAX; i++)
                if (control->clients[i].control && control->clients[i].is_watching)
                        client_send(&control->clients[i], guard_event_to_json(e));
}

void display_control_on_stats(struct display_control *control, void (*fn)(json_t *stats, void *data), void *data)
{
        control->on_stats = fn;
        control->on_stats_data = data;
}

void client_forget(struct display_client *c)
{
        struct display_control *control = c->control;

        c->wanted = NULL;
        if (control->writes_for == c) {
                control->writes_for = NULL;
                writer_cancel(control->writer);
        }
        if (control->dumps_for == c) {
                control->dumps_for = NULL;
                dump_end(control->dump);
        }
}

void client_handle(struct display_client *c, const json_t *request)
{
        static const struct {
                const char *name;
                void (*fn)(struct display_client *c, const json_t *value);
                bool takes_true; /* and nothing else */
        } requests[] = {
                { "screenshot", on_screenshot, false },
                { "dump", on_dump, false },
                { "mode", on_mode, false },
                { "stats", on_stats, true },
                { "watch", on_watch, true },
        };
        void *only = json_object_iter((json_t *) request); /* it has one member */
        const char *name = json_object_iter_key(only);
        const json_t *value = json_object_iter_value(only);

        for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
                if (strcmp(requests[i].name, name) != 0)
                        continue;
                if (requests[i].takes_true && !json_is_true(value))
                        client_send_error(c, "%s: expected true", name);
                else
                        requests[i].fn(c, value);
                return;
        }
        client_send_error(c, "unknown request '%s': expected screenshot, dump, mode, stats or watch", name);
}
