/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/acceptor.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"

struct rig {
        char folder[32], path[64];
        struct loop *loop;
        int listen_fd;
        struct acceptor acceptor;
        int n_connections, n_failures, error;
};

static void on_connection(struct acceptor *a, int fd)
{
        struct rig *rig = container_of(a, struct rig, acceptor);

        if (fd < 0) {
                rig->n_failures++;
                rig->error = fd;
                return;
        }
        rig->n_connections++;
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        (void) close(fd);
}

static int open_rig(void **state)
{
        struct rig *rig = test_calloc(1, sizeof(*rig));

        *state = rig;
        (void) snprintf(rig->folder, sizeof(rig->folder), "/tmp/acceptor-XXXXXX");
        assert_non_null(mkdtemp(rig->folder));
        (void) snprintf(rig->path, sizeof(rig->path), "%s/s", rig->folder);
        assert_int_equal(loop_new(&rig->loop), 0);
        rig->listen_fd = fd_unix_listen(rig->path, 4);
        assert_true(rig->listen_fd >= 0);
        assert_int_equal(acceptor_start(&rig->acceptor, rig->loop, rig->listen_fd, on_connection), 0);
        return 0;
}

static int close_rig(void **state)
{
        struct rig *rig = *state;

        acceptor_stop(&rig->acceptor);
        fd_close(&rig->listen_fd);
        rig->loop = loop_free(rig->loop);
        (void) unlink(rig->path);
        (void) rmdir(rig->folder);
        test_free(rig);
        return 0;
}

/* No descriptor above those that are open can be had while this is in force. */
static struct rlimit forbid_descriptors(void)
{
        struct rlimit old, none;
        int lowest = dup(STDIN_FILENO);

        assert_true(lowest >= 0);
        (void) close(lowest);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        none = (struct rlimit) { .rlim_cur = (rlim_t) lowest, .rlim_max = old.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        return old;
}

static void each_connection_is_handed_over(void **state)
{
        struct rig *rig = *state;
        auto_cleanup(closep) int a = fd_unix_connect(rig->path);
        auto_cleanup(closep) int b = fd_unix_connect(rig->path);

        assert_true(a >= 0 && b >= 0);
        while (rig->n_connections < 2)
                assert_int_equal(loop_step(rig->loop, -1), 0);
        assert_int_equal(rig->n_failures, 0);
}

static void lack_of_descriptors_pauses_and_loses_no_connection(void **state)
{
        struct rig *rig = *state;
        auto_cleanup(closep) int fd = fd_unix_connect(rig->path);
        struct rlimit old;

        assert_true(fd >= 0);
        old = forbid_descriptors();
        for (int i = 0; i < 100; i++)
                assert_int_equal(loop_step(rig->loop, 0), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        /* One failure a pause, not one a round; a slow machine may see a second pause. */
        assert_in_range(rig->n_failures, 1, 10);
        assert_int_equal(rig->error, -EMFILE);
        assert_int_equal(rig->n_connections, 0);
        while (rig->n_connections == 0)
                assert_int_equal(loop_step(rig->loop, -1), 0);
}

static void stopped_in_a_pause_it_stays_silent(void **state)
{
        struct rig *rig = *state;
        auto_cleanup(closep) int fd = fd_unix_connect(rig->path);
        struct rlimit old;

        assert_true(fd >= 0);
        old = forbid_descriptors();
        assert_int_equal(loop_step(rig->loop, 0), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(rig->n_failures, 1);
        acceptor_stop(&rig->acceptor);
        acceptor_stop(&rig->acceptor);
        assert_int_equal(loop_step(rig->loop, 150), 0);
        assert_int_equal(rig->n_connections, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(each_connection_is_handed_over, open_rig, close_rig),
                cmocka_unit_test_setup_teardown(lack_of_descriptors_pauses_and_loses_no_connection, open_rig,
                                                close_rig),
                cmocka_unit_test_setup_teardown(stopped_in_a_pause_it_stays_silent, open_rig, close_rig),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
