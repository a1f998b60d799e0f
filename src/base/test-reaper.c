/* SPDX-License-Identifier: MPL-2.0 */
/* Whom the reaper spares, and that all is given back in the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/reaper.h"

#define MAP_BYTES ((size_t) 9 << 20)

static void *map_new(void)
{
        void *map = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        assert_true(map != MAP_FAILED);
        memset(map, 1, MAP_BYTES);
        return map;
}

static bool is_mapped(void *map) { return msync(map, MAP_BYTES, MS_ASYNC) == 0; }
static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

/*
 * A descriptor whose close() does not return before all that was sent was read at the other end: a connection that
 * lingers, with more on its way than the buffers hold.
 */
struct slow_file {
        int fd, other_fd;
        size_t n_sent;
};

static struct slow_file slow_file_open(void)
{
        const struct linger linger = { .l_onoff = 1, .l_linger = 60 };
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n_address = sizeof(address);
        int listener = socket(AF_INET, SOCK_STREAM, 0);
        struct slow_file f = { .fd = socket(AF_INET, SOCK_STREAM, 0) };
        static const char text[65536];
        ssize_t n;

        assert_int_equal(bind(listener, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *) &address, &n_address), 0);
        assert_int_equal(connect(f.fd, (struct sockaddr *) &address, sizeof(address)), 0);
        f.other_fd = accept(listener, NULL, NULL);
        assert_true(f.other_fd >= 0);
        assert_int_equal(close(listener), 0);
        assert_int_equal(setsockopt(f.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
        while ((n = send(f.fd, text, sizeof(text), MSG_DONTWAIT)) > 0)
                f.n_sent += (size_t) n;
        assert_int_equal(errno, EAGAIN);
        return f;
}

/* What was sent arrives, all of it: nobody gave the connection up. */
static void slow_file_let_go(struct slow_file *f)
{
        static char text[65536];
        size_t n_read = 0;
        ssize_t n;

        while ((n = read(f->other_fd, text, sizeof(text))) > 0)
                n_read += (size_t) n;
        assert_int_equal(n, 0);
        assert_int_equal(n_read, f->n_sent);
        assert_int_equal(close(f->other_fd), 0);
}

static int setup(void **state) { return reaper_start(); }

static int teardown(void **state)
{
        reaper_stop();
        return 0;
}

static void everything_is_given_back(void **state)
{
        void *maps[3] = { map_new(), map_new(), map_new() };
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        for (size_t i = 0; i < 3; i++)
                reaper_unmap(maps[i], MAP_BYTES);
        reaper_close(fd);
        reaper_stop();
        for (size_t i = 0; i < 3; i++)
                assert_false(is_mapped(maps[i]));
        assert_false(is_open(fd));
}

static void the_owner_does_not_wait(void **state)
{
        struct slow_file f = slow_file_open();
        void *map = map_new();

        reaper_close(f.fd);
        reaper_unmap(map, MAP_BYTES);
        assert_true(is_mapped(map)); /* its turn has not come */
        slow_file_let_go(&f);
        reaper_stop();
        assert_false(is_mapped(map));
}

static void *unmap_here(void *map)
{
        reaper_unmap(map, MAP_BYTES);
        return is_mapped(map) ? map : NULL;
}

static void another_thread_gives_back_itself(void **state)
{
        struct slow_file f = slow_file_open();
        pthread_t thread;
        void *result;

        reaper_close(f.fd);
        assert_int_equal(pthread_create(&thread, NULL, unmap_here, map_new()), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_null(result);
        slow_file_let_go(&f);
}

static void what_waits_is_limited(void **state)
{
        struct slow_file f = slow_file_open();
        int fds[REAPER_ITEMS_MAX + 2], n_open = 0;

        reaper_close(f.fd);
        for (size_t i = 0; i < REAPER_ITEMS_MAX + 2; i++)
                fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        for (size_t i = 0; i < REAPER_ITEMS_MAX + 2; i++)
                reaper_close(fds[i]);
        for (size_t i = 0; i < REAPER_ITEMS_MAX + 2; i++)
                n_open += is_open(fds[i]);
        /* The first is at work, or waits still. */
        assert_in_range(n_open, REAPER_ITEMS_MAX - 1, REAPER_ITEMS_MAX);
        slow_file_let_go(&f);
        reaper_stop();
        for (size_t i = 0; i < REAPER_ITEMS_MAX + 2; i++)
                assert_false(is_open(fds[i]));
}

static void bytes_that_wait_are_limited(void **state)
{
        struct slow_file f = slow_file_open();
        const size_t large = REAPER_BYTES_MAX + MAP_BYTES;
        void *first = mmap(NULL, large, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        void *second = map_new();

        assert_true(first != MAP_FAILED);
        reaper_close(f.fd);
        reaper_unmap(first, large); /* a single one may be as large as it likes */
        reaper_unmap(second, MAP_BYTES);
        assert_true(is_mapped(first));
        assert_false(is_mapped(second));
        slow_file_let_go(&f);
        reaper_stop();
        assert_false(is_mapped(first));
}

static void without_a_reaper_it_is_done_at_once(void **state)
{
        void *map = map_new();
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        reaper_unmap(map, MAP_BYTES);
        reaper_close(fd);
        assert_false(is_mapped(map));
        assert_false(is_open(fd));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(everything_is_given_back),
                CASE(the_owner_does_not_wait),
                CASE(another_thread_gives_back_itself),
                CASE(what_waits_is_limited),
                CASE(bytes_that_wait_are_limited),
                cmocka_unit_test(without_a_reaper_it_is_done_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
