/* SPDX-License-Identifier: MPL-2.0 */
/* A screen of VNC, seen by viewers that this test is: what they see, may do, and cannot do to others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/input-event-codes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rfb/rfbproto.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/worker.h"
#include "display/keysym.h"
#include "display/outputs.h"
#include "display/test-frame.h"
#include "display/vnc-listen.h"
#include "display/vnc-private.h"
#include "seat/message.h"

#define WIDTH 640u
#define HEIGHT 360u

struct rig {
        char folder[32], socket[64], seat_path[64], password[64];
        int seat_fd;
        struct worker *worker;
        struct output *output;
        struct frame *frame; /* a reference: presented; NULL: nothing yet */
        struct picture *picture; /* a reference: what it looks like */
        struct rectangle damage;
        int error;
        char *error_text;
};

static const struct scene_screen template = {
        .name = (char *) "main", .output = OUTPUT_VNC, .width = WIDTH, .height = HEIGHT, .rate_hz = 60
};

/* ---- the screen's side ---- */

static void do_open(void *data)
{
        struct rig *rig = data;
        struct scene_screen screen = template;

        screen.listen = rig->socket;
        screen.password_file = rig->password[0] ? rig->password : NULL;
        rig->error = output_open(worker_loop(rig->worker), &screen, rig->seat_path, &rig->error_text, &rig->output);
        if (rig->error == 0)
                rig->error = output_start(rig->output);
}

static void do_close(void *data)
{
        struct rig *rig = data;

        rig->output = output_free(rig->output);
}

static void do_present(void *data)
{
        struct rig *rig = data;
        struct frame *last = rig->frame;
        pixman_region32_t damage;

        pixman_region32_init_rect(&damage, (int) rig->damage.x, (int) rig->damage.y, rig->damage.width,
                                  rig->damage.height);
        rig->frame = layered_frame(rig->picture);
        rig->output->ops->present(rig->output, rig->frame, &damage);
        frame_unref(last);
        pixman_region32_fini(&damage);
}

struct fill {
        struct rig *rig;
        uint32_t seed;
};

/* As composition does it: on the loop's thread, a frame of its own. */
static void do_fill(void *data)
{
        struct fill *f = data;
        struct rig *rig = f->rig;
        const struct rectangle *r = &rig->damage;

        for (uint32_t y = r->y; y < r->y + r->height; y++)
                for (uint32_t x = r->x; x < r->x + r->width; x++)
                        ((uint32_t *) (void *) (rig->picture->pixels + y * rig->picture->stride_bytes))[x] =
                                (x * 7 + y * 131 + f->seed * 977) & 0xffffff;
        do_present(rig);
}

static void present(struct rig *rig, uint32_t seed, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
        rig->damage = (struct rectangle) { x, y, width, height };
        loop_call(worker_loop(rig->worker), do_fill, &(struct fill) { rig, seed });
}

static void open_with(struct rig *rig, const char *password)
{
        if (password) {
                (void) snprintf(rig->password, sizeof(rig->password), "%s/password", rig->folder);
                assert_int_equal(fd_write_file_atomic(rig->password, password, strlen(password), 0600), 0);
        }
        loop_call(worker_loop(rig->worker), do_open, rig);
}

static int open_rig(void **state)
{
        struct rig *rig = test_calloc(1, sizeof(*rig));
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        *state = rig;
        (void) snprintf(rig->folder, sizeof(rig->folder), "/tmp/vnc-XXXXXX");
        assert_non_null(mkdtemp(rig->folder));
        (void) snprintf(rig->socket, sizeof(rig->socket), "%s/vnc.sock", rig->folder);
        (void) snprintf(rig->seat_path, sizeof(rig->seat_path), "%s/seat.sock", rig->folder);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", rig->seat_path);
        rig->seat_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(rig->seat_fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(worker_new("screen", &rig->worker), 0);
        assert_int_equal(picture_new(PIXMAN_x8r8g8b8, WIDTH, HEIGHT, &rig->picture), 0);
        return 0;
}

static int close_rig(void **state)
{
        struct rig *rig = *state;

        loop_call(worker_loop(rig->worker), do_close, rig);
        worker_free(rig->worker);
        assert_int_equal(access(rig->socket, F_OK), -1);
        if (rig->password[0])
                (void) unlink(rig->password);
        (void) unlink(rig->seat_path);
        (void) close(rig->seat_fd);
        assert_int_equal(rmdir(rig->folder), 0);
        free(rig->error_text);
        assert_true(!rig->frame || rig->frame->n_refs == 1);
        frame_unref(rig->frame);
        picture_unref(rig->picture);
        test_free(rig);
        return 0;
}

static int open_plain(void **state)
{
        struct rig *rig;

        (void) open_rig(state);
        rig = *state;
        open_with(rig, NULL);
        assert_int_equal(rig->error, 0);
        return 0;
}

/* ---- a viewer ---- */

struct viewer {
        int fd;
        uint32_t pixels[WIDTH * HEIGHT];
};

static void get(int fd, void *buf, size_t n)
{
        assert_int_equal(fd_read_full(fd, buf, n), 0);
}

static void put(int fd, const void *buf, size_t n)
{
        assert_int_equal(fd_write_full(fd, buf, n), 0);
}

static uint32_t get_u32(int fd)
{
        uint8_t b[4];

        get(fd, b, sizeof(b));
        return (uint32_t) b[0] << 24 | (uint32_t) b[1] << 16 | (uint32_t) b[2] << 8 | b[3];
}

static uint16_t get_u16(int fd)
{
        uint8_t b[2];

        get(fd, b, sizeof(b));
        return (uint16_t) (b[0] << 8 | b[1]);
}

static void exchange_versions(int fd, const char *version)
{
        char text[12];

        get(fd, text, sizeof(text));
        assert_memory_equal(text, "RFB 003.008\n", sizeof(text));
        put(fd, version, 12);
}

static void init_client(int fd)
{
        uint8_t rest[16];
        char name[8];

        put(fd, "\1", 1);
        assert_int_equal(get_u16(fd), WIDTH);
        assert_int_equal(get_u16(fd), HEIGHT);
        get(fd, rest, sizeof(rest));
        assert_int_equal(rest[0], 32);
        assert_int_equal(rest[10], 16); /* red's shift */
        assert_int_equal(get_u32(fd), 4);
        get(fd, name, 4);
        assert_memory_equal(name, "main", 4);
}

static int connect_viewer(struct rig *rig)
{
        int fd = fd_unix_connect(rig->socket);
        uint8_t security[2];

        assert_true(fd >= 0);
        exchange_versions(fd, "RFB 003.008\n");
        get(fd, security, sizeof(security));
        assert_memory_equal(security, "\1\1", 2);
        put(fd, "\1", 1);
        assert_int_equal(get_u32(fd), 0);
        init_client(fd);
        return fd;
}

static void request(int fd, bool incremental)
{
        const uint8_t message[] = { 3, incremental, 0, 0, 0, 0, WIDTH >> 8, WIDTH & 0xff, HEIGHT >> 8, HEIGHT & 0xff };

        put(fd, message, sizeof(message));
}

/* Takes one raw update. Return: the number of pixels. */
static size_t take_update(struct viewer *v)
{
        uint8_t head[2];
        size_t total = 0;

        get(v->fd, head, sizeof(head));
        assert_int_equal(head[0], 0);
        for (unsigned n = get_u16(v->fd); n > 0; n--) {
                uint16_t x = get_u16(v->fd), y = get_u16(v->fd), w = get_u16(v->fd), h = get_u16(v->fd);

                assert_int_equal(get_u32(v->fd), 0);
                for (uint16_t row = 0; row < h; row++)
                        get(v->fd, &v->pixels[(size_t) (y + row) * WIDTH + x], (size_t) w * 4);
                total += (size_t) w * h;
        }
        return total;
}

static bool same(const struct rig *rig, const struct viewer *v)
{
        for (size_t y = 0; y < HEIGHT; y++)
                if (memcmp(&v->pixels[y * WIDTH], rig->picture->pixels + y * rig->picture->stride_bytes,
                           WIDTH * 4) != 0)
                        return false;
        return true;
}

static bool gone(int fd)
{
        char byte[256];
        ssize_t n;

        while ((n = read(fd, byte, sizeof(byte))) > 0)
                ;
        return n == 0 || errno == ECONNRESET || errno == EPIPE;
}

static struct seat_message take_message(struct rig *rig)
{
        struct seat_message m;

        assert_int_equal(recv(rig->seat_fd, &m, sizeof(m), 0), sizeof(m));
        return m;
}

/* ---- cases ---- */

static void a_viewer_sees_every_pixel(void **state)
{
        struct rig *rig = *state;
        struct viewer v = { 0 };

        present(rig, 1, 0, 0, WIDTH, HEIGHT);
        v.fd = connect_viewer(rig);
        request(v.fd, false);
        assert_int_equal(take_update(&v), WIDTH * HEIGHT);
        assert_true(same(rig, &v));
        (void) close(v.fd);
}

static void a_viewer_who_is_first_waits_for_the_first_frame(void **state)
{
        struct rig *rig = *state;
        struct viewer v = { .fd = connect_viewer(rig) };

        request(v.fd, false);
        present(rig, 2, 0, 0, WIDTH, HEIGHT);
        assert_int_equal(take_update(&v), WIDTH * HEIGHT);
        assert_true(same(rig, &v));
        (void) close(v.fd);
}

static void only_what_changed_is_sent(void **state)
{
        struct rig *rig = *state;
        struct viewer v = { .fd = connect_viewer(rig) };

        present(rig, 1, 0, 0, WIDTH, HEIGHT);
        request(v.fd, false);
        (void) take_update(&v);
        for (uint32_t i = 0; i < 20; i++) {
                /* Before the request, and after it. */
                if (i % 2)
                        request(v.fd, true);
                present(rig, i, i * 3, i * 5, 30, 20);
                if (i % 2 == 0)
                        request(v.fd, true);
                assert_int_equal(take_update(&v), 600);
                assert_true(same(rig, &v));
        }
        (void) close(v.fd);
}

static void damage_of_several_frames_comes_together(void **state)
{
        struct rig *rig = *state;
        struct viewer v = { .fd = connect_viewer(rig) };

        present(rig, 1, 0, 0, WIDTH, HEIGHT);
        request(v.fd, false);
        (void) take_update(&v);
        present(rig, 2, 0, 0, 10, 10);
        present(rig, 3, 100, 100, 10, 10);
        present(rig, 4, 100, 100, 10, 10);
        request(v.fd, true);
        assert_int_equal(take_update(&v), 200);
        assert_true(same(rig, &v));
        (void) close(v.fd);
}

static void several_viewers_are_served_and_one_more_is_sent_away(void **state)
{
        struct rig *rig = *state;
        struct viewer v[VNC_VIEWERS_MAX] = { 0 };
        int fd;

        present(rig, 1, 0, 0, WIDTH, HEIGHT);
        for (size_t i = 0; i < ARRAY_SIZE(v); i++)
                v[i].fd = connect_viewer(rig);
        fd = fd_unix_connect(rig->socket);
        assert_true(fd >= 0);
        assert_true(gone(fd));
        (void) close(fd);
        for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
                request(v[i].fd, false);
                (void) take_update(&v[i]);
                assert_true(same(rig, &v[i]));
                (void) close(v[i].fd);
        }
}

static void a_viewer_that_does_not_read_stalls_nobody(void **state)
{
        struct rig *rig = *state;
        struct viewer v = { .fd = connect_viewer(rig) };
        int lazy = connect_viewer(rig), small = 4096;

        (void) setsockopt(lazy, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        request(lazy, false);
        request(v.fd, false);
        for (uint32_t i = 0; i < 50; i++) {
                present(rig, i, 0, 0, WIDTH, HEIGHT);
                assert_int_equal(take_update(&v), WIDTH * HEIGHT);
                assert_true(same(rig, &v));
                request(lazy, false);
                request(v.fd, true);
        }
        (void) close(v.fd);
        (void) close(lazy);
}

static void a_screen_ends_while_viewers_hang(void **state)
{
        struct rig *rig = *state;
        int lazy = connect_viewer(rig), half = connect_viewer(rig), silent = fd_unix_connect(rig->socket);

        present(rig, 1, 0, 0, WIDTH, HEIGHT);
        request(lazy, false);
        put(half, "\3\0\0", 3);
        loop_call(worker_loop(rig->worker), do_close, rig);
        assert_true(gone(lazy));
        assert_true(gone(half));
        assert_true(gone(silent));
        (void) close(lazy);
        (void) close(half);
        (void) close(silent);
}

static void keys_and_pointer_become_messages_of_the_seat(void **state)
{
        struct rig *rig = *state;
        int fd = connect_viewer(rig);
        const uint8_t key_down[] = { 4, 1, 0, 0, 0, 0, 0, 'a' }, key_up[] = { 4, 0, 0, 0, 0, 0, 0, 'a' };
        const uint8_t press[] = { 5, 1, 0, 100, 0, 200 }, drag[] = { 5, 1, 1, 0, 0, 200 },
                      wheel[] = { 5, 8 | 1, 1, 0, 0, 200 };
        struct seat_message m;
        uint32_t source;

        put(fd, key_down, sizeof(key_down));
        put(fd, key_down, sizeof(key_down)); /* the viewer's repetition */
        put(fd, key_up, sizeof(key_up));
        put(fd, press, sizeof(press));
        put(fd, drag, sizeof(drag));
        put(fd, wheel, sizeof(wheel));
        m = take_message(rig);
        source = m.source;
        assert_true(m.kind == SEAT_KEY && m.code == KEY_A && m.value == 1 && m.sequence == 0);
        m = take_message(rig);
        assert_true(m.kind == SEAT_KEY && m.code == KEY_A && m.value == 0 && m.sequence == 1);
        m = take_message(rig);
        assert_int_equal(m.kind, SEAT_POINTER_MOVE);
        assert_int_equal(seat_axis_to_pixel(m.x, WIDTH), 100);
        assert_int_equal(seat_axis_to_pixel(m.y, HEIGHT), 200);
        assert_string_equal(m.screen, "main");
        m = take_message(rig);
        assert_true(m.kind == SEAT_BUTTON && m.code == BTN_LEFT && m.value == 1);
        m = take_message(rig);
        assert_int_equal(seat_axis_to_pixel(m.x, WIDTH), 256);
        m = take_message(rig);
        assert_true(m.kind == SEAT_WHEEL && m.code == REL_WHEEL && m.value == 1);
        (void) close(fd); /* with the button down */
        m = take_message(rig);
        assert_int_equal(m.kind, SEAT_LEAVE);
        assert_int_equal(m.source, source);
}

static void viewers_of_older_versions_come_in(void **state)
{
        struct rig *rig = *state;
        int fd = fd_unix_connect(rig->socket);
        uint8_t security[2];

        exchange_versions(fd, "RFB 003.003\n");
        assert_int_equal(get_u32(fd), 1);
        init_client(fd);
        (void) close(fd);
        fd = fd_unix_connect(rig->socket);
        exchange_versions(fd, "RFB 003.007\n");
        get(fd, security, sizeof(security));
        put(fd, "\1", 1);
        init_client(fd);
        (void) close(fd);
}

static uint32_t try_password(struct rig *rig, const char *password, int *ret_fd)
{
        uint8_t security[2], challenge[16];
        char key[VNC_PASSWORD_MAX + 1] = "";
        int fd = fd_unix_connect(rig->socket);

        exchange_versions(fd, "RFB 003.008\n");
        get(fd, security, sizeof(security));
        assert_memory_equal(security, "\1\2", 2);
        put(fd, "\2", 1);
        get(fd, challenge, sizeof(challenge));
        (void) snprintf(key, sizeof(key), "%s", password);
        rfbEncryptBytes(challenge, key);
        put(fd, challenge, sizeof(challenge));
        *ret_fd = fd;
        return get_u32(fd);
}

static void a_password_lets_in_who_knows_it(void **state)
{
        struct rig *rig = *state;
        uint8_t security[2];
        int fd;

        open_with(rig, "sesame\n");
        assert_int_equal(rig->error, 0);
        assert_int_equal(try_password(rig, "Sesame", &fd), 1);
        assert_true(gone(fd));
        (void) close(fd);
        assert_int_equal(try_password(rig, "sesame", &fd), 0);
        init_client(fd);
        (void) close(fd);
        /* "None" is not on the list. */
        fd = fd_unix_connect(rig->socket);
        exchange_versions(fd, "RFB 003.008\n");
        get(fd, security, sizeof(security));
        put(fd, "\1", 1);
        assert_true(gone(fd));
        (void) close(fd);
}

static void passwords_that_protect_less_than_they_seem_to_are_refused(void **state)
{
        struct rig *rig = *state;

        open_with(rig, "much too long\n");
        assert_int_equal(rig->error, -EINVAL);
        assert_non_null(strstr(rig->error_text, "1 to 8 characters, found 13"));
        free(take_ptr(&rig->error_text));
        assert_int_equal(chmod(rig->password, 0644), 0);
        open_with(rig, NULL);
        assert_int_equal(rig->error, -EPERM);
}

static void what_is_not_of_the_protocol_ends_its_viewer_only(void **state)
{
        static const struct {
                const char *bytes;
                size_t n;
        } bad[] = {
                { "\377", 1 },
                { "\7\0\0\0\0\0\0\0\0\0\0\0", 12 },           /* file transfer */
                { "\10\2", 2 },                               /* scaling */
                { "\13\0\0\0\0\0\0\0", 8 },                   /* chat */
                { "\6\0\0\0\177\377\377\377", 8 },            /* a clipboard of 2 GiB */
                { "\0\0\0\0\3\3\0\1\0\0\0\0\0\0\0\0\0\0\0\0", 20 }, /* 3 bits a pixel */
        };
        struct rig *rig = *state;
        struct viewer v = { .fd = connect_viewer(rig) };

        present(rig, 1, 0, 0, WIDTH, HEIGHT);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                int fd = connect_viewer(rig);

                put(fd, bad[i].bytes, bad[i].n);
                assert_true(gone(fd));
                (void) close(fd);
        }
        request(v.fd, false);
        (void) take_update(&v);
        assert_true(same(rig, &v));
        (void) close(v.fd);
}

static void openings_that_are_not_of_the_protocol_are_refused(void **state)
{
        static const char *const bad[] = { "GET / HTTP/1.1\r\n", "RFB 004.000\n", "\26\3\1\2\0\1\0\1\374\3\3\0",
                                           "RFB 003.008\r" };
        struct rig *rig = *state;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                int fd = fd_unix_connect(rig->socket);

                put(fd, bad[i], 12);
                assert_true(gone(fd));
                (void) close(fd);
        }
}

static void a_clipboard_is_read_and_thrown_away(void **state)
{
        struct rig *rig = *state;
        struct viewer v = { .fd = connect_viewer(rig) };
        static const uint8_t text[8 + 5000] = { 6, 0, 0, 0, 0, 0, 5000 >> 8, 5000 & 0xff };

        present(rig, 1, 0, 0, WIDTH, HEIGHT);
        put(v.fd, text, sizeof(text));
        request(v.fd, false);
        (void) take_update(&v);
        assert_true(same(rig, &v));
        (void) close(v.fd);
}

static void places_to_listen(void **state)
{
        static const char *const bad[] = { "",           ":5900",           "localhost:5900", "127.0.0.1",
                                           "127.0.0.1:", "127.0.0.1:70000", "[::1]",          "[::1:5900",
                                           "::1]:5900",  "[::1]:+1",        "vnc.sock",       "256.0.0.1:1" };
        int fd;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(vnc_listen(bad[i], &fd), -EINVAL);
        assert_int_equal(vnc_listen("127.0.0.1:0", &fd), 0);
        (void) close(fd);
}

static void what_is_printed_on_a_key_names_it(void **state)
{
        assert_int_equal(keysym_to_key('a'), KEY_A);
        assert_int_equal(keysym_to_key('A'), KEY_A);
        assert_int_equal(keysym_to_key('!'), KEY_1);
        assert_int_equal(keysym_to_key('~'), KEY_GRAVE);
        assert_int_equal(keysym_to_key(' '), KEY_SPACE);
        assert_int_equal(keysym_to_key(0xff0d), KEY_ENTER);
        assert_int_equal(keysym_to_key(0xffc9), KEY_F12);
        assert_int_equal(keysym_to_key(0x7f), 0);
        assert_int_equal(keysym_to_key(0x1f), 0);
        assert_int_equal(keysym_to_key(UINT32_MAX), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_viewer_sees_every_pixel, open_plain, close_rig),
                cmocka_unit_test_setup_teardown(a_viewer_who_is_first_waits_for_the_first_frame, open_plain, close_rig),
                cmocka_unit_test_setup_teardown(only_what_changed_is_sent, open_plain, close_rig),
                cmocka_unit_test_setup_teardown(damage_of_several_frames_comes_together, open_plain, close_rig),
                cmocka_unit_test_setup_teardown(several_viewers_are_served_and_one_more_is_sent_away, open_plain,
                                                close_rig),
                cmocka_unit_test_setup_teardown(a_viewer_that_does_not_read_stalls_nobody, open_plain, close_rig),
                cmocka_unit_test_setup_teardown(a_screen_ends_while_viewers_hang, open_plain, close_rig),
                cmocka_unit_test_setup_teardown(keys_and_pointer_become_messages_of_the_seat, open_plain, close_rig),
                cmocka_unit_test_setup_teardown(viewers_of_older_versions_come_in, open_plain, close_rig),
                cmocka_unit_test_setup_teardown(a_password_lets_in_who_knows_it, open_rig, close_rig),
                cmocka_unit_test_setup_teardown(passwords_that_protect_less_than_they_seem_to_are_refused, open_rig,
                                                close_rig),
                cmocka_unit_test_setup_teardown(what_is_not_of_the_protocol_ends_its_viewer_only, open_plain,
                                                close_rig),
                cmocka_unit_test_setup_teardown(openings_that_are_not_of_the_protocol_are_refused, open_plain,
                                                close_rig),
                cmocka_unit_test_setup_teardown(a_clipboard_is_read_and_thrown_away, open_plain, close_rig),
                cmocka_unit_test(places_to_listen),
                cmocka_unit_test(what_is_printed_on_a_key_names_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
