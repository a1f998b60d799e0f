/* SPDX-License-Identifier: MPL-2.0 */
#include "vhost/test-server.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"

/* Tests check in all build types. */
#define MUST(x)                                                        \
        do {                                                           \
                if (!(x)) {                                            \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
                        abort();                                       \
                }                                                      \
        } while (0)

static void on_closed(struct vhost_backend *b, int reason, void *data)
{
        struct test_server *s = data;

        s->reason = reason;
        s->backend = vhost_backend_free(b);
        (void) sem_post(&s->closed);
}

static void on_connect(struct watch *w, uint32_t events)
{
        struct test_server *s = container_of(w, struct test_server, watch);
        int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
                return;
        if (s->backend) {
                (void) close(fd);
                return;
        }
        MUST(vhost_backend_new(s->loop, fd, &s->echo->dev, on_closed, s, &s->backend) == 0);
}

static void start_call(void *data)
{
        struct test_server *s = data;

        MUST(watch_start(&s->watch, s->loop, s->listen_fd, EPOLLIN, on_connect) == 0);
}

static void listen_at(struct test_server *s, const char *name)
{
        const char *dir = getenv("TMPDIR");

        (void) snprintf(s->path, sizeof(s->path), "%s/busbar-%s-%d", dir ? dir : "/tmp", name, (int) getpid());
        s->listen_fd = fd_unix_listen(s->path, 4);
        MUST(s->listen_fd >= 0);
}

void test_server_start(struct test_server *s, struct loop *loop, const char *name, uint16_t n_queues)
{
        *s = (struct test_server) { .loop = loop };
        (void) sem_init(&s->closed, 0, 0);
        listen_at(s, name);
        MUST(echo_new(name, loop, n_queues, &s->echo) == 0);
        loop_call(loop, start_call, s);
}

static void disconnect_call(void *data)
{
        struct test_server *s = data;

        s->backend = vhost_backend_free(s->backend);
}

void test_server_disconnect(struct test_server *s)
{
        loop_call(s->loop, disconnect_call, s);
}

struct question {
        struct test_server *server;
        bool device_started, queue_started;
};

static void ask_call(void *data)
{
        struct question *q = data;

        q->device_started = q->server->echo->dev.started;
        q->queue_started = queue_started(&q->server->echo->dev.queues[0]);
}

bool test_server_device_started(struct test_server *s)
{
        struct question q = { .server = s };

        loop_call(s->loop, ask_call, &q);
        return q.device_started;
}

bool test_server_queue_started(struct test_server *s)
{
        struct question q = { .server = s };

        loop_call(s->loop, ask_call, &q);
        return q.queue_started;
}

static void stop_call(void *data)
{
        struct test_server *s = data;

        watch_stop(&s->watch);
        s->backend = vhost_backend_free(s->backend);
        device_free(&s->echo->dev);
        s->echo = NULL;
}

void test_server_stop(struct test_server *s)
{
        loop_call(s->loop, stop_call, s);
        fd_close(&s->listen_fd);
        (void) unlink(s->path);
        (void) sem_destroy(&s->closed);
}

pid_t test_server_fork(struct test_server *s, const char *name, uint16_t n_queues)
{
        pid_t pid;

        *s = (struct test_server) { 0 };
        listen_at(s, name);
        pid = fork();
        MUST(pid >= 0);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                MUST(loop_new(&s->loop) == 0);
                MUST(echo_new(name, s->loop, n_queues, &s->echo) == 0);
                start_call(s);
                _exit(loop_run(s->loop) < 0);
        }
        fd_close(&s->listen_fd);
        return pid;
}

void test_server_kill(pid_t pid)
{
        int status;

        MUST(kill(pid, SIGKILL) == 0);
        MUST(waitpid(pid, &status, 0) == pid);
        MUST(WIFSIGNALED(status));
}
