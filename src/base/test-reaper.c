/* SPDX-License-Identifier: MPL-2.0 */
/* Whom the reaper spares, and that all is given back in the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/reaper.h"

#define MAP_BYTES ((size_t) 9 << 20)
#define SLOW_BYTES ((size_t) 4096)

static void *map_new(void)
{
        void *map = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        assert_true(map != MAP_FAILED);
        memset(map, 1, MAP_BYTES);
        return map;
}

static bool is_mapped(void *map) { return msync(map, MAP_BYTES, MS_ASYNC) == 0; }

/*
 * A mapping that is not given back before all that was sent is read at the other end: of a connection that lingers, with
 * more on its way than the buffers hold.
 */
struct slow_map {
        void *map;
        int other_fd;
        size_t n_sent;
};

static struct slow_map slow_map_new(void)
{
        const struct linger linger = { .l_onoff = 1, .l_linger = 60 };
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n_address = sizeof(address);
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        static const char text[65536];
        struct slow_map m = { 0 };
        ssize_t n;

        assert_int_equal(bind(listener, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *) &address, &n_address), 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        m.other_fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(m.other_fd >= 0);
        assert_int_equal(close(listener), 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
        while ((n = send(fd, text, sizeof(text), MSG_DONTWAIT)) > 0)
                m.n_sent += (size_t) n;
        assert_int_equal(errno, EAGAIN);
        m.map = mmap(NULL, SLOW_BYTES, PROT_READ, MAP_SHARED, fd, 0);
        assert_true(m.map != MAP_FAILED);
        assert_int_equal(close(fd), 0);
        return m;
}

/* What was sent arrives, all of it: nobody gave the connection up. */
static void slow_map_let_go(struct slow_map *m)
{
        static char text[65536];
        size_t n_read = 0;
        ssize_t n;

        while ((n = read(m->other_fd, text, sizeof(text))) > 0)
                n_read += (size_t) n;
        assert_int_equal(n, 0);
        assert_int_equal(n_read, m->n_sent);
        assert_int_equal(close(m->other_fd), 0);
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

        for (size_t i = 0; i < 3; i++)
                reaper_unmap(maps[i], MAP_BYTES);
        reaper_stop();
        for (size_t i = 0; i < 3; i++)
                assert_false(is_mapped(maps[i]));
}

static void the_owner_does_not_wait(void **state)
{
        struct slow_map slow = slow_map_new();
        void *map = map_new();

        reaper_unmap(slow.map, SLOW_BYTES);
        reaper_unmap(map, MAP_BYTES);
        assert_true(is_mapped(map)); /* its turn has not come */
        slow_map_let_go(&slow);
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
        struct slow_map slow = slow_map_new();
        pthread_t thread;
        void *result;

        reaper_unmap(slow.map, SLOW_BYTES);
        assert_int_equal(pthread_create(&thread, NULL, unmap_here, map_new()), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_null(result);
        slow_map_let_go(&slow);
}

static void what_waits_is_limited(void **state)
{
        struct slow_map slow = slow_map_new();
        void *maps[REAPER_ITEMS_MAX + 2];
        int n_mapped = 0;

        for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
                maps[i] = mmap(NULL, SLOW_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        reaper_unmap(slow.map, SLOW_BYTES);
        for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
                reaper_unmap(maps[i], SLOW_BYTES);
        for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
                n_mapped += msync(maps[i], SLOW_BYTES, MS_ASYNC) == 0;
        /* The first is at work, or waits still. */
        assert_in_range(n_mapped, REAPER_ITEMS_MAX - 1, REAPER_ITEMS_MAX);
        slow_map_let_go(&slow);
        reaper_stop();
        for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
                assert_true(msync(maps[i], SLOW_BYTES, MS_ASYNC) < 0);
}

static void bytes_that_wait_are_limited(void **state)
{
        struct slow_map slow = slow_map_new();
        const size_t large = REAPER_BYTES_MAX + MAP_BYTES;
        void *first = mmap(NULL, large, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        void *second = map_new();

        assert_true(first != MAP_FAILED);
        reaper_unmap(slow.map, SLOW_BYTES);
        reaper_unmap(first, large); /* a single one may be as large as it likes */
        reaper_unmap(second, MAP_BYTES);
        assert_true(is_mapped(first));
        assert_false(is_mapped(second));
        slow_map_let_go(&slow);
        reaper_stop();
        assert_false(is_mapped(first));
}

static void without_a_reaper_it_is_done_at_once(void **state)
{
        void *map = map_new();

        reaper_unmap(map, MAP_BYTES);
        assert_false(is_mapped(map));
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
