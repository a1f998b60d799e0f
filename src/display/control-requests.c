/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "display/control-private.h"
#include "display/dump.h"
#include "display/frame.h"
#include "display/picture.h"
#include "display/screen.h"
#include "display/writer.h"

#define WATCHERS_MAX (CONTROL_CLIENTS_MAX / 2)
#define SCREENSHOTS_MAX 4 /* that may wait */

static struct display_control *display_of(const struct control_client *c)
{
        return container_of(c->control, struct display_control, control);
}

static struct screen *find_screen(struct control_client *c, const json_t *name)
{
        const struct display_control *display = display_of(c);
        const char *text = json_string_value(name);

        for (size_t i = 0; text && i < display->n_screens; i++)
                if (strcmp(screen_name(display->screens[i]), text) == 0)
                        return display->screens[i];
        control_fail(c, text ? "there is no screen '%s'" : "expected the name of a screen", text);
        return NULL;
}

static bool is_watching(const struct control_client *c) { return c->control && (c->stays_for & STAYS_FOR_GUARDS); }

static bool check_given_fd(struct control_client *c)
{
        int r = c->given_fd < 0 ? -ENOENT : writer_check_fd(c->given_fd);

        if (r == -ENOENT)
                control_fail(c, "the request came without a descriptor to write to");
        else if (r < 0)
                control_fail(c, "the descriptor is not a pipe or regular file that is open for writing");
        return r == 0;
}

/*
 * The next caller's screenshot, if none is being written: it is taken when its turn has come, so there is one copy at
 * a time.
 */
static void write_next(struct display_control *display)
{
        for (size_t i = 0; i < CONTROL_CLIENTS_MAX && !writer_is_busy(display->writer); i++) {
                struct control_client *c = &display->control.clients[i];
                const struct frame *frame;
                struct picture *copy;
                int r;

                if (!c->control || !c->data)
                        continue;
                frame = screen_compose_now(c->data);
                r = frame ? frame_to_picture(frame, &copy) : -ENODATA;
                if (!c->control || !c->data) { /* composing told it of a guard, and it was gone */
                        if (r == 0)
                                picture_unref(copy);
                        continue;
                }
                if (r < 0) {
                        c->data = NULL;
                        control_fail(c, "no picture: %s", strerror(-r));
                        continue;
                }
                display->writing_fd = take_fd(&c->given_fd);
                display->writes_for = c;
                writer_submit(display->writer, display->writing_fd, copy, NULL);
        }
}

void display_control_on_written(void *data, int result)
{
        struct display_control *display = data;
        struct control_client *c = display->writes_for;

        fd_close(&display->writing_fd);
        display->writes_for = NULL;
        if (c) {
                c->data = NULL;
                if (result == -ETIMEDOUT)
                        control_fail(c, "nobody reads the pipe");
                else if (result < 0)
                        control_fail(c, "cannot write: %s", strerror(-result));
                else
                        control_answer(c, NULL);
        }
        write_next(display);
}

static void on_screenshot(struct control_client *c, const json_t *value)
{
        struct display_control *display = display_of(c);
        struct screen *screen = find_screen(c, value);
        unsigned n_waiting = 0;

        if (!screen || !check_given_fd(c))
                return;
        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                n_waiting += display->control.clients[i].control && display->control.clients[i].data;
        if (n_waiting == SCREENSHOTS_MAX) {
                control_fail(c, "%u screenshots are being written", n_waiting);
                return;
        }
        c->data = screen;
        write_next(display);
}

void display_control_on_dump_ended(void *data, int result)
{
        struct display_control *display = data;
        struct control_client *c = display->dumps_for;

        display->dumps_for = NULL;
        if (c)
                control_client_close(c);
}

static void on_dump(struct control_client *c, const json_t *value)
{
        struct display_control *display = display_of(c);
        struct screen *screen = find_screen(c, value);
        int r;

        if (!screen || !check_given_fd(c))
                return;
        r = dump_begin(display->dump, screen, take_fd(&c->given_fd));
        if (r < 0) {
                control_fail(c, r == -EBUSY ? "another dump runs" : "no dump: %s", strerror(-r));
                return;
        }
        display->dumps_for = c;
        c->stays_for |= STAYS_FOR_DUMP;
        control_answer(c, NULL);
}

static void on_mode(struct control_client *c, const json_t *value)
{
        const struct display_control *control = display_of(c);
        const char *display = json_string_value(json_object_get(value, "display"));
        const json_t *size = json_object_get(value, "size");
        json_int_t width = json_integer_value(json_array_get(size, 0)),
                   height = json_integer_value(json_array_get(size, 1));
        int r = -ENOENT;

        if (!display || json_object_size(value) != 2 || json_array_size(size) != 2 || width < 1 || height < 1 ||
            width > SCENE_PIXELS_MAX || height > SCENE_PIXELS_MAX) {
                control_fail(c, "expected {\"display\": NAME, \"size\": [WIDTH, HEIGHT]}, at most %d",
                             SCENE_PIXELS_MAX);
                return;
        }
        for (size_t i = 0; i < control->n_screens && r == -ENOENT; i++)
                r = screen_set_mode(control->screens[i], display, (uint32_t) width, (uint32_t) height);
        if (r == -ENOENT)
                control_fail(c, "there is no display '%s'", display);
        else if (r < 0)
                control_fail(c, "%s", strerror(-r));
        else
                control_answer(c, NULL);
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

static void on_stats(struct control_client *c, const json_t *value)
{
        const struct display_control *display = display_of(c);
        json_t *screens = json_object(), *answer = json_pack("{so}", "screens", screens);

        for (size_t i = 0; answer && i < display->n_screens; i++)
                (void) json_object_set_new(screens, screen_name(display->screens[i]),
                                           screen_stats_to_json(display->screens[i]));
        if (answer)
                control_answer(c, answer);
        else
                control_fail(c, "out of memory");
}

static json_t *guard_event_to_json(const struct screen_guard_event *e)
{
        return json_pack("{ss, ss, ss, sb, sI}", "event", "guard", "display", e->display, "guard", e->guard, "violated",
                         e->violated, "timeNs", (json_int_t) e->time_ns);
}

static void tell_if_violated(const struct screen_guard_event *e, void *data)
{
        struct control_client *c = data;

        if (c->control && e->violated)
                control_tell(c, guard_event_to_json(e));
}

static void on_watch(struct control_client *c, const json_t *value)
{
        const struct display_control *display = display_of(c);
        unsigned n_watching = 0;

        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                n_watching += is_watching(&display->control.clients[i]);
        if (n_watching == WATCHERS_MAX && !is_watching(c)) {
                control_fail(c, "%u others watch", n_watching);
                return;
        }
        c->stays_for |= STAYS_FOR_GUARDS;
        control_answer(c, NULL);
        for (size_t i = 0; i < display->n_screens; i++)
                screen_for_each_guard(display->screens[i], tell_if_violated, c);
}

void display_control_tell_guard(struct display_control *display, const struct screen_guard_event *e)
{
        for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
                if (is_watching(&display->control.clients[i]))
                        control_tell(&display->control.clients[i], guard_event_to_json(e));
}

/* What its requests have begun ends. */
static void on_left(struct control_client *c)
{
        struct display_control *display = display_of(c);

        c->data = NULL;
        if (display->writes_for == c) {
                display->writes_for = NULL;
                writer_cancel(display->writer);
        }
        if (display->dumps_for == c) {
                display->dumps_for = NULL;
                dump_end(display->dump);
        }
}

static void on_request(struct control_client *c, const json_t *request)
{
        static const struct {
                const char *name;
                void (*fn)(struct control_client *c, const json_t *value);
                bool takes_true; /* and nothing else */
        } requests[] = {
                { "screenshot", on_screenshot, false },
                { "dump", on_dump, false },
                { "mode", on_mode, false },
                { "stats", on_stats, true },
                { "watch", on_watch, true },
        };
        void *only = json_object_iter((json_t *) request);
        const char *name = json_object_iter_key(only);
        const json_t *value = json_object_iter_value(only);

        if (json_object_size(request) != 1) {
                control_fail(c, "expected an object with one member");
                return;
        }
        for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
                if (strcmp(requests[i].name, name) != 0)
                        continue;
                if (requests[i].takes_true && !json_is_true(value))
                        control_fail(c, "%s: expected true", name);
                else
                        requests[i].fn(c, value);
                return;
        }
        control_fail(c, "unknown request '%s': expected screenshot, dump, mode, stats or watch", name);
}

const struct control_ops display_control_ops = { .request = on_request, .left = on_left };
