/* SPDX-License-Identifier: MPL-2.0 */
/* A screen in a window, on SDL's driver that shows nothing and saves each picture as a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <SDL.h>

#include "base/loop.h"
#include "base/macros.h"
#include "base/worker.h"
#include "display/outputs.h"
#include "display/test-frame.h"
#include "seat/message.h"

#define WIDTH 320u
#define HEIGHT 200u

struct rig {
        char folder[32], seat_path[64], start_folder[4096];
        int seat_fd, notify_fd;
        struct worker *worker;
        struct output *output;
        struct frame *frame; /* a reference: presented; NULL: nothing yet */
        struct picture *picture; /* a reference: what it looks like */
        struct rectangle damage;
        uint32_t seed;
        int error;
        char *error_text;
};

static const struct scene_screen template = {
        .name = (char *) "main", .output = OUTPUT_WINDOW, .width = WIDTH, .height = HEIGHT
};

static void do_open(void *data)
{
        struct rig *rig = data;

        rig->error = output_open(worker_loop(rig->worker), &template, rig->seat_path, &rig->error_text, &rig->output);
        if (rig->error == 0)
                rig->error = output_start(rig->output);
}

static void do_close(void *data)
{
        struct rig *rig = data;

        rig->output = output_free(rig->output);
}

static uint32_t *row_of(const struct rig *rig, size_t y)
{
        return (uint32_t *) (void *) (rig->picture->pixels + y * rig->picture->stride_bytes);
}

static void do_present(void *data)
{
        struct rig *rig = data;
        const struct rectangle *r = &rig->damage;
        struct frame *last = rig->frame;
        pixman_region32_t damage;

        for (uint32_t y = r->y; y < r->y + r->height; y++)
                for (uint32_t x = r->x; x < r->x + r->width; x++)
                        row_of(rig, y)[x] = (x * 7919 + y * 104729 + rig->seed * 31337) & 0xffffff;
        pixman_region32_init_rect(&damage, (int) r->x, (int) r->y, r->width, r->height);
        rig->frame = layered_frame(rig->picture);
        rig->output->ops->present(rig->output, rig->frame, &damage);
        frame_unref(last);
        pixman_region32_fini(&damage);
}

static int open_rig(void **state)
{
        struct rig *rig = test_calloc(1, sizeof(*rig));
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        *state = rig;
        (void) snprintf(rig->folder, sizeof(rig->folder), "/tmp/window-XXXXXX");
        assert_non_null(mkdtemp(rig->folder));
        assert_non_null(getcwd(rig->start_folder, sizeof(rig->start_folder)));
        assert_int_equal(chdir(rig->folder), 0); /* where the driver saves its pictures */
        rig->notify_fd = inotify_init1(IN_CLOEXEC);
        assert_true(inotify_add_watch(rig->notify_fd, ".", IN_CLOSE_WRITE) >= 0);
        (void) snprintf(rig->seat_path, sizeof(rig->seat_path), "%s/seat.sock", rig->folder);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", rig->seat_path);
        rig->seat_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(rig->seat_fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(picture_new(PIXMAN_x8r8g8b8, WIDTH, HEIGHT, &rig->picture), 0);
        assert_int_equal(worker_new("screen", &rig->worker), 0);
        loop_call(worker_loop(rig->worker), do_open, rig);
        assert_int_equal(rig->error, 0);
        return 0;
}

static int close_rig(void **state)
{
        struct rig *rig = *state;
        struct dirent *entry;
        DIR *dir;

        loop_call(worker_loop(rig->worker), do_close, rig);
        worker_free(rig->worker);
        (void) close(rig->seat_fd);
        (void) close(rig->notify_fd);
        dir = opendir(".");
        while ((entry = readdir(dir)))
                (void) unlink(entry->d_name);
        (void) closedir(dir);
        assert_int_equal(chdir(rig->start_folder), 0);
        assert_int_equal(rmdir(rig->folder), 0);
        free(rig->error_text);
        assert_true(!rig->frame || rig->frame->n_refs == 1);
        frame_unref(rig->frame);
        picture_unref(rig->picture);
        test_free(rig);
        return 0;
}

/* The next picture that the driver has saved. */
static SDL_Surface *next_picture(struct rig *rig)
{
        char buffer[sizeof(struct inotify_event) + 256] __attribute__((aligned(8)));
        const struct inotify_event *e = (const void *) buffer;
        SDL_Surface *loaded, *picture;

        assert_true(read(rig->notify_fd, buffer, sizeof(buffer)) > 0);
        loaded = SDL_LoadBMP(e->name);
        assert_non_null(loaded);
        picture = SDL_ConvertSurfaceFormat(loaded, SDL_PIXELFORMAT_RGB888, 0);
        SDL_FreeSurface(loaded);
        assert_non_null(picture);
        return picture;
}

static bool same(const struct rig *rig, const SDL_Surface *picture)
{
        bool ok = picture->w == (int) WIDTH && picture->h == (int) HEIGHT;

        for (size_t y = 0; y < HEIGHT && ok; y++)
                for (size_t x = 0; x < WIDTH && ok; x++) {
                        const uint32_t *row = (const uint32_t *) (const void *) ((const char *) picture->pixels +
                                                                                 y * (size_t) picture->pitch);

                        ok = (row[x] & 0xffffff) == row_of(rig, y)[x];
                }
        return ok;
}

static void present_and_compare(struct rig *rig, struct rectangle damage)
{
        SDL_Surface *picture;

        rig->damage = damage;
        rig->seed++;
        loop_call(worker_loop(rig->worker), do_present, rig);
        picture = next_picture(rig);
        assert_true(same(rig, picture));
        SDL_FreeSurface(picture);
}

static void the_window_shows_every_pixel(void **state)
{
        present_and_compare(*state, (struct rectangle) { 0, 0, WIDTH, HEIGHT });
}

static void damage_alone_is_drawn_anew(void **state)
{
        struct rig *rig = *state;

        present_and_compare(rig, (struct rectangle) { 0, 0, WIDTH, HEIGHT });
        present_and_compare(rig, (struct rectangle) { 30, 40, 50, 60 });
}

static struct seat_message take_message(struct rig *rig)
{
        struct seat_message m;

        assert_int_equal(recv(rig->seat_fd, &m, sizeof(m), 0), sizeof(m));
        return m;
}

static void push(SDL_Event e)
{
        assert_int_equal(SDL_PushEvent(&e), 1);
}

static void keys_mouse_and_fingers_become_messages_of_the_seat(void **state)
{
        struct rig *rig = *state;
        struct seat_message m;

        push((SDL_Event) { .key = { .type = SDL_KEYDOWN, .state = SDL_PRESSED,
                                    .keysym = { .scancode = SDL_SCANCODE_Q } } });
        push((SDL_Event) { .key = { .type = SDL_KEYDOWN, .state = SDL_PRESSED, .repeat = 1,
                                    .keysym = { .scancode = SDL_SCANCODE_Q } } });
        push((SDL_Event) { .key = { .type = SDL_KEYUP, .state = SDL_RELEASED,
                                    .keysym = { .scancode = SDL_SCANCODE_Q } } });
        m = take_message(rig);
        assert_true(m.kind == SEAT_KEY && m.code == KEY_Q && m.value == 1);
        m = take_message(rig);
        assert_true(m.kind == SEAT_KEY && m.code == KEY_Q && m.value == 0);
        push((SDL_Event) { .button = { .type = SDL_MOUSEBUTTONDOWN, .button = SDL_BUTTON_RIGHT, .state = SDL_PRESSED,
                                       .x = 20, .y = 30 } });
        m = take_message(rig);
        assert_true(m.kind == SEAT_POINTER_MOVE && seat_axis_to_pixel(m.x, WIDTH) == 20 &&
                    seat_axis_to_pixel(m.y, HEIGHT) == 30);
        m = take_message(rig);
        assert_true(m.kind == SEAT_BUTTON && m.code == BTN_RIGHT && m.value == 1);
        push((SDL_Event) { .wheel = { .type = SDL_MOUSEWHEEL, .y = -2 } });
        m = take_message(rig);
        assert_true(m.kind == SEAT_WHEEL && m.code == REL_WHEEL && m.value == -2);
        push((SDL_Event) { .tfinger = { .type = SDL_FINGERDOWN, .touchId = 7, .fingerId = 900, .x = 0.5f,
                                        .y = 1.0f } });
        push((SDL_Event) { .tfinger = { .type = SDL_FINGERDOWN, .touchId = 7, .fingerId = 901, .x = 0.0f,
                                        .y = 0.0f } });
        push((SDL_Event) { .tfinger = { .type = SDL_FINGERUP, .touchId = 7, .fingerId = 900, .x = 0.5f, .y = 1.0f } });
        push((SDL_Event) { .tfinger = { .type = SDL_FINGERMOTION, .touchId = 7, .fingerId = 901, .x = 0.25f,
                                        .y = 0.0f } });
        m = take_message(rig);
        assert_true(m.kind == SEAT_TOUCH_DOWN && m.id == 0 && m.x == 32768 && m.y == SEAT_AXIS_MAX);
        m = take_message(rig);
        assert_true(m.kind == SEAT_TOUCH_DOWN && m.id == 1 && m.x == 0);
        m = take_message(rig);
        assert_true(m.kind == SEAT_TOUCH_UP && m.id == 0);
        m = take_message(rig);
        assert_true(m.kind == SEAT_TOUCH_MOVE && m.id == 1 && m.x == 16384);
        push((SDL_Event) { .window = { .type = SDL_WINDOWEVENT, .event = SDL_WINDOWEVENT_FOCUS_LOST } });
        assert_int_equal(take_message(rig).kind, SEAT_LEAVE);
}

static void a_second_window_is_refused(void **state)
{
        struct rig *rig = *state;
        struct output *o = NULL;
        char *text = NULL;

        assert_int_equal(output_open(worker_loop(rig->worker), &template, NULL, &text, &o), -EBUSY);
        assert_non_null(strstr(text, "one screen of a server may be a window"));
        free(text);
}

static void expect_error(const char *what)
{
        struct loop *loop = NULL;
        struct output *o = NULL;
        char *text = NULL;

        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(output_open(loop, &template, NULL, &text, &o), -EIO);
        assert_non_null(text);
        if (!strstr(text, what))
                fail_msg("'%s' is not in: %s", what, text);
        free(text);
        loop_free(loop);
        (void) setenv("SDL_VIDEODRIVER", "dummy", 1);
}

static void a_driver_that_is_not_there_is_an_error_that_says_so(void **state)
{
        (void) setenv("SDL_VIDEODRIVER", "none-such", 1);
        expect_error("window: ");
}

static void a_missing_desktop_is_an_error_that_says_so(void **state)
{
        if (access("/dev/dri", F_OK) == 0) {
                print_message("# /dev/dri is there, on which SDL may show a window without a desktop\n");
                skip();
        }
        (void) unsetenv("SDL_VIDEODRIVER");
        (void) unsetenv("DISPLAY");
        (void) unsetenv("WAYLAND_DISPLAY");
        (void) unsetenv("XDG_RUNTIME_DIR"); /* whose wayland-0 it would try */
        expect_error("window: there is no desktop");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_window_shows_every_pixel, open_rig, close_rig),
                cmocka_unit_test_setup_teardown(damage_alone_is_drawn_anew, open_rig, close_rig),
                cmocka_unit_test_setup_teardown(keys_mouse_and_fingers_become_messages_of_the_seat, open_rig,
                                                close_rig),
                cmocka_unit_test_setup_teardown(a_second_window_is_refused, open_rig, close_rig),
                cmocka_unit_test(a_driver_that_is_not_there_is_an_error_that_says_so),
                cmocka_unit_test(a_missing_desktop_is_an_error_that_says_so),
        };

        (void) setenv("SDL_VIDEODRIVER", "dummy", 1);
        (void) setenv("SDL_VIDEO_DUMMY_SAVE_FRAMES", "1", 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
