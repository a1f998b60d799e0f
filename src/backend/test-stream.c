/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/history.h"
#include "backend/logfile.h"
#include "backend/pty.h"
#include "backend/stream-socket.h"
#include "backend/stream-tee.h"
#include "backend/stream.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"

struct fixture {
        struct loop *loop;
        char dir[64], path[96];
        struct stream *stream;
        char input[4096];
        size_t n_input;
        unsigned n_resized, columns, rows;
};

static void take_input(void *data)
{
        struct fixture *f = data;
        size_t n;

        while ((n = stream_read(f->stream, f->input + f->n_input, sizeof(f->input) - f->n_input)) > 0)
                f->n_input += n;
}

static void take_size(void *data, uint16_t columns, uint16_t rows)
{
        struct fixture *f = data;

        f->n_resized++;
        f->columns = columns;
        f->rows = rows;
}

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_int_equal(loop_new(&f->loop), 0);
        strcpy(f->dir, "/tmp/busbar-stream-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        (void) snprintf(f->path, sizeof(f->path), "%s/x", f->dir);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        static const char *const suffixes[] = { "", ".1", ".2", ".3" };
        struct fixture *f = *state;

        stream_free(f->stream);
        for (size_t i = 0; i < 4; i++) {
                char path[128];

                (void) snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
                (void) unlink(path);
        }
        assert_int_equal(rmdir(f->dir), 0);
        loop_free(f->loop);
        free(f);
        return 0;
}

static void own(struct fixture *f)
{
        struct stream_owner owner = { .readable = take_input, .resized = take_size, .data = f };

        stream_set_owner(f->stream, &owner);
        stream_want(f->stream, true);
}

/* All that is ready now, and what follows from it. */
static void settle(struct fixture *f)
{
        for (int i = 0; i < 20; i++)
                assert_int_equal(loop_step(f->loop, 0), 0);
}

/* A terminal's bytes cross the kernel in their own time. */
static void await_input(struct fixture *f, size_t n)
{
        for (int i = 0; i < 200 && f->n_input < n; i++)
                assert_int_equal(loop_step(f->loop, 50), 0);
        assert_int_equal(f->n_input, n);
}

static void make_socket(struct fixture *f, size_t scrollback)
{
        int fd = fd_unix_listen(f->path, 64);

        assert_true(fd >= 0);
        assert_int_equal(stream_socket_new(f->loop, fd, f->path, scrollback, &f->stream), 0);
        own(f);
}

static int connect_client(struct fixture *f)
{
        int fd = fd_unix_connect(f->path);

        assert_true(fd >= 0);
        assert_int_equal(fd_set_nonblock(fd, 1), 0);
        settle(f);
        return fd;
}

static void assert_receives(int fd, const char *expected)
{
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        char buf[4096];
        ssize_t n;

        assert_int_equal(poll(&ready, 1, 10000), 1);
        n = read(fd, buf, sizeof(buf) - 1);
        assert_int_equal(n, strlen(expected));
        assert_memory_equal(buf, expected, (size_t) n);
}

static void assert_closed(int fd)
{
        static char buf[65536];
        ssize_t n;

        while ((n = read(fd, buf, sizeof(buf))) > 0)
                ;
        assert_true(n == 0 || errno == ECONNRESET);
}

static void history_keeps_the_last_bytes(void **state)
{
        struct history h;
        const char *p;
        size_t n;

        assert_int_equal(history_init(&h, 8), 0);
        history_append(&h, "abcdef", 6);
        assert_int_equal(history_start(&h), 0);
        history_append(&h, "ghij", 4);
        assert_int_equal(history_start(&h), 2);
        p = history_at(&h, 2, &n);
        assert_int_equal(n, 6);
        assert_memory_equal(p, "cdefgh", 6);
        p = history_at(&h, 8, &n);
        assert_int_equal(n, 2);
        assert_memory_equal(p, "ij", 2);
        history_append(&h, "0123456789ABCDEF", 16);
        assert_int_equal(h.end, 26);
        p = history_at(&h, 24, &n);
        assert_int_equal(n, 2);
        assert_memory_equal(p, "EF", 2);
        history_deinit(&h);
}

static void every_reader_gets_output(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int a = -1, b = -1;

        make_socket(f, 100);
        a = connect_client(f);
        b = connect_client(f);
        stream_write(f->stream, "hello", 5);
        assert_receives(a, "hello");
        assert_receives(b, "hello");
        f->stream = stream_free(f->stream);
        assert_closed(a);
        assert_int_equal(access(f->path, F_OK), -1);
}

static void a_new_reader_gets_the_scrollback(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int a = -1;

        make_socket(f, 6);
        stream_write(f->stream, "one two", 7);
        stream_write(f->stream, " three", 6);
        a = connect_client(f);
        assert_receives(a, " three");
}

static void the_first_sender_is_the_writer_until_it_leaves(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int a = -1, b = -1;

        make_socket(f, 0);
        a = connect_client(f);
        b = connect_client(f);
        assert_int_equal(write(b, "b1", 2), 2);
        settle(f);
        assert_int_equal(write(a, "a1", 2), 2);
        settle(f);
        assert_int_equal(f->n_input, 2);
        assert_memory_equal(f->input, "b1", 2);
        fd_close(&b);
        settle(f);
        assert_int_equal(write(a, "a2", 2), 2);
        settle(f);
        assert_int_equal(f->n_input, 4);
        assert_memory_equal(f->input, "b1a2", 4);
}

static void last_words_wait_until_the_port_wants_them(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int a = -1, b = -1;

        make_socket(f, 0);
        stream_want(f->stream, false);
        a = connect_client(f);
        assert_int_equal(write(a, "bye", 3), 3);
        fd_close(&a);
        settle(f);
        assert_int_equal(f->n_input, 0);
        stream_want(f->stream, true);
        settle(f);
        assert_int_equal(f->n_input, 3);
        b = connect_client(f);
        assert_int_equal(write(b, "hi", 2), 2);
        settle(f);
        assert_memory_equal(f->input, "byehi", 5);
}

static void a_client_that_sends_no_more_still_reads(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int a = -1, b = -1;

        make_socket(f, 0);
        a = connect_client(f);
        b = connect_client(f);
        assert_int_equal(write(a, "x", 1), 1);
        assert_int_equal(shutdown(a, SHUT_WR), 0);
        settle(f);
        assert_int_equal(write(b, "y", 1), 1);
        settle(f);
        assert_memory_equal(f->input, "xy", 2);
        stream_write(f->stream, "out", 3);
        assert_receives(a, "out");
}

static void a_slow_reader_loses_its_connection_and_others_go_on(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int slow = -1, fast = -1;
        static char block[65536], got[65536];
        size_t total = 0;

        make_socket(f, 0);
        slow = connect_client(f);
        fast = connect_client(f);
        for (int i = 0; i < 64; i++) {
                ssize_t n;

                stream_write(f->stream, block, sizeof(block));
                settle(f);
                while ((n = read(fast, got, sizeof(got))) > 0) {
                        total += (size_t) n;
                        settle(f);
                }
        }
        assert_int_equal(total, 64 * sizeof(block));
        assert_closed(slow);
        assert_int_equal(f->stream->counters.n_refused, 1);
}

/* bad-input 15 and 18. */
static void connections_beyond_the_table_are_closed(void **state)
{
        struct fixture *f = *state;
        int fds[STREAM_SOCKET_CLIENTS_MAX + 5];

        make_socket(f, 0);
        for (size_t i = 0; i < STREAM_SOCKET_CLIENTS_MAX + 5; i++)
                fds[i] = connect_client(f);
        for (size_t i = STREAM_SOCKET_CLIENTS_MAX; i < STREAM_SOCKET_CLIENTS_MAX + 5; i++)
                assert_closed(fds[i]);
        assert_int_equal(f->stream->counters.n_refused, 5);
        fd_close(&fds[3]);
        settle(f);
        fd_close(&fds[STREAM_SOCKET_CLIENTS_MAX]);
        fds[3] = connect_client(f);
        stream_write(f->stream, "still", 5);
        assert_receives(fds[3], "still");
        for (size_t i = 0; i < STREAM_SOCKET_CLIENTS_MAX + 5; i++)
                closep(&fds[i]);
}

static void assert_file(const struct fixture *f, const char *suffix, const char *expected)
{
        auto_cleanup(freep) char *text = NULL;
        char path[128];
        size_t n;

        (void) snprintf(path, sizeof(path), "%s%s", f->path, suffix);
        if (!expected) {
                assert_int_equal(access(path, F_OK), -1);
                return;
        }
        assert_int_equal(fd_read_file(path, 4096, &text, &n), 0);
        assert_string_equal(text, expected);
}

static void a_log_rotates_and_stays_bounded(void **state)
{
        struct fixture *f = *state;
        struct logfile_options options = { .size_bytes = 4, .n_files = 3 };

        assert_int_equal(logfile_open(f->path, &options, &f->stream), 0);
        stream_write(f->stream, "aaaabbbbcc", 10);
        assert_file(f, "", "cc");
        assert_file(f, ".1", "bbbb");
        assert_file(f, ".2", "aaaa");
        stream_write(f->stream, "ccd", 3);
        assert_file(f, "", "d");
        assert_file(f, ".1", "cccc");
        assert_file(f, ".2", "bbbb");
        assert_file(f, ".3", NULL);
        assert_int_equal(f->stream->counters.n_dropped, 0);
}

static void a_log_is_appended_to(void **state)
{
        struct fixture *f = *state;
        struct logfile_options options = { .size_bytes = 100, .n_files = 1 };

        assert_int_equal(logfile_open(f->path, &options, &f->stream), 0);
        stream_write(f->stream, "one", 3);
        f->stream = stream_free(f->stream);
        assert_int_equal(logfile_open(f->path, &options, &f->stream), 0);
        stream_write(f->stream, "two", 3);
        assert_file(f, "", "onetwo");
}

static void a_single_log_file_starts_over(void **state)
{
        struct fixture *f = *state;
        struct logfile_options options = { .size_bytes = 4, .n_files = 1 };

        assert_int_equal(logfile_open(f->path, &options, &f->stream), 0);
        stream_write(f->stream, "aaaab", 5);
        assert_file(f, "", "b");
        assert_file(f, ".1", NULL);
}

static void a_log_is_a_regular_file_and_no_symlink(void **state)
{
        struct fixture *f = *state;
        struct logfile_options options = { .size_bytes = 4, .n_files = 1 };

        assert_int_equal(mkfifo(f->path, 0600), 0);
        assert_true(logfile_open(f->path, &options, &f->stream) < 0);
        assert_int_equal(unlink(f->path), 0);
        assert_int_equal(symlink("/etc/passwd", f->path), 0);
        assert_int_equal(logfile_open(f->path, &options, &f->stream), -ELOOP);
}

/* A file size limit behaves as a full disk does. */
static void a_full_disk_drops_output_and_says_so_later(void **state)
{
        struct fixture *f = *state;
        struct logfile_options options = { .size_bytes = 4096, .n_files = 2 };
        struct rlimit before, limit;

        assert_int_equal(logfile_open(f->path, &options, &f->stream), 0);
        stream_write(f->stream, "kept", 4);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        limit = (struct rlimit) { .rlim_cur = 4, .rlim_max = before.rlim_max };
        (void) signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        stream_write(f->stream, "lost", 4);
        stream_write(f->stream, "too", 3);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        stream_write(f->stream, "again", 5);
        assert_int_equal(f->stream->counters.n_dropped, 7);
        assert_file(f, "", "kept\n[busbar: 7 bytes could not be written]\nagain");
}

static void a_pty_carries_both_ways_and_tells_its_size(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int slave = -1;
        struct winsize size = { .ws_col = 132, .ws_row = 43 };

        assert_int_equal(pty_open(f->loop, f->path, &f->stream), 0);
        own(f);
        stream_write(f->stream, "out\n", 4);
        slave = open(f->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        assert_true(slave >= 0);
        assert_receives(slave, "out\n");
        assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
        assert_int_equal(write(slave, "in\r", 3), 3);
        await_input(f, 3);
        assert_memory_equal(f->input, "in\r", 3);
        assert_int_equal(f->columns, 132);
        assert_int_equal(f->rows, 43);
        f->stream = stream_free(f->stream);
        assert_int_equal(access(f->path, F_OK), -1);
}

static void an_unread_pty_keeps_the_end_and_drops_the_middle(void **state)
{
        struct fixture *f = *state;
        static char block[PTY_BUFFER], got[4 * PTY_BUFFER];
        auto_cleanup(closep) int slave = -1;
        size_t n = 0;
        ssize_t r;

        assert_int_equal(pty_open(f->loop, f->path, &f->stream), 0);
        own(f);
        for (char c = 'a'; c <= 'd'; c++) {
                memset(block, c, sizeof(block));
                stream_write(f->stream, block, sizeof(block));
        }
        slave = open(f->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        do {
                struct pollfd ready = { .fd = slave, .events = POLLIN };

                settle(f);
                if (poll(&ready, 1, 10000) != 1)
                        break;
                r = read(slave, got + n, sizeof(got) - n);
                n += (size_t) (r > 0 ? r : 0);
        } while (n < PTY_BUFFER || n + f->stream->counters.n_dropped < 4 * PTY_BUFFER);
        assert_true(n >= PTY_BUFFER && n < 2 * PTY_BUFFER);
        assert_int_equal(got[0], 'a');
        assert_int_equal(got[n - PTY_BUFFER], 'd');
        assert_int_equal(f->stream->counters.n_dropped, 4 * PTY_BUFFER - n);
}

static void a_pty_link_replaces_links_only(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(symlink("/dev/pts/none", f->path), 0);
        assert_int_equal(pty_open(f->loop, f->path, &f->stream), 0);
        f->stream = stream_free(f->stream);
        assert_int_equal(fd_write_file_atomic(f->path, "x", 1, 0600), 0);
        assert_int_equal(pty_open(f->loop, f->path, &f->stream), -EEXIST);
        assert_file(f, "", "x");
}

static void a_tee_joins_socket_and_pty(void **state)
{
        struct fixture *f = *state;
        auto_cleanup(closep) int a = -1, slave = -1;
        struct stream *parts[2];
        char link[128];
        int fd = fd_unix_listen(f->path, 4);

        (void) snprintf(link, sizeof(link), "%s.1", f->path);
        assert_int_equal(stream_socket_new(f->loop, fd, NULL, 0, &parts[0]), 0);
        assert_int_equal(pty_open(f->loop, link, &parts[1]), 0);
        assert_int_equal(stream_tee_new(parts, 2, &f->stream), 0);
        own(f);
        a = connect_client(f);
        slave = open(link, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        stream_write(f->stream, "both", 4);
        assert_receives(a, "both");
        assert_receives(slave, "both");
        assert_int_equal(write(a, "1", 1), 1);
        settle(f);
        assert_int_equal(write(slave, "2", 1), 1);
        await_input(f, 2);
        assert_memory_equal(f->input, "12", 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(history_keeps_the_last_bytes),
                CASE(every_reader_gets_output),
                CASE(a_new_reader_gets_the_scrollback),
                CASE(the_first_sender_is_the_writer_until_it_leaves),
                CASE(last_words_wait_until_the_port_wants_them),
                CASE(a_client_that_sends_no_more_still_reads),
                CASE(a_slow_reader_loses_its_connection_and_others_go_on),
                CASE(connections_beyond_the_table_are_closed),
                CASE(a_log_rotates_and_stays_bounded),
                CASE(a_log_is_appended_to),
                CASE(a_single_log_file_starts_over),
                CASE(a_log_is_a_regular_file_and_no_symlink),
                CASE(a_full_disk_drops_output_and_says_so_later),
                CASE(a_pty_carries_both_ways_and_tells_its_size),
                CASE(an_unread_pty_keeps_the_end_and_drops_the_middle),
                CASE(a_pty_link_replaces_links_only),
                CASE(a_tee_joins_socket_and_pty),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
