/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/server-process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"

#define SERVER_ARGS_MAX 256

static void start_now(struct server_process *s);

int server_process_init(struct server_process *s, struct loop *loop, const struct planned_server *plan,
                        const char *program, struct log_collector *log, const struct server_events *events, void *data,
                        char **ret_error)
{
        *s = (struct server_process){ .plan = plan,
                                      .events = events,
                                      .data = data,
                                      .program = program,
                                      .loop = loop,
                                      .log = log,
                                      .ready_fd = -1,
                                      .ready_limit_ms = SERVER_READY_MS };
        if (planned_server_n_fds(plan) > SERVER_SOCKETS_MAX) {
                if (asprintf(ret_error, "%s: more than %d sockets", plan->name, SERVER_SOCKETS_MAX) < 0)
                        *ret_error = NULL;
                return -E2BIG;
        }
        for (size_t i = 0; i < plan->n_sockets; i++) {
                int r = endpoint_open(&plan->sockets[i], &s->fds[s->n_fds]);

                if (r < 0) {
                        if (asprintf(ret_error, "%s: cannot listen on %s: %s", plan->name, plan->sockets[i].path,
                                     strerror(-r)) < 0)
                                *ret_error = NULL;
                        server_process_deinit(s);
                        return r;
                }
                s->n_fds += (size_t) r;
                s->n_endpoints++;
        }
        return 0;
}

static void close_ready(struct server_process *s)
{
        watch_stop(&s->ready_watch);
        fd_close(&s->ready_fd);
}

static void fail(struct server_process *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct server_process *s, const char *format, ...)
{
        char why[2048];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(why, sizeof(why), format, ap);
        va_end(ap);
        /* What it said last usually is the cause. */
        if (s->source.last[0] && n > 0 && (size_t) n < sizeof(why))
                (void) snprintf(why + n, sizeof(why) - (size_t) n, ": %s", s->source.last);
        s->status = SERVER_ENDED;
        log_collector_line(s->log, s->plan->name, "gives up: %s", why);
        s->events->failed(s, why);
}

static void on_delay_over(struct timer *t) { start_now(container_of(t, struct server_process, timer)); }

/* One life is over (or did not begin): next one, or none. */
static void life_ended(struct server_process *s, const char *how)
{
        uint64_t now_ns = clock_now_ns(), delay_ns = 0;

        timer_stop(&s->timer);
        close_ready(s);
        log_source_close(&s->source);
        if (s->status == SERVER_STOPPING) {
                s->status = SERVER_ENDED;
                s->events->stopped(s);
                return;
        }
        if (!s->was_ready) {
                fail(s, "%s before it was ready", how);
                return;
        }
        if (!restart_policy_ended(&s->policy, now_ns, s->ready_ns, &delay_ns)) {
                fail(s, "%s; %s", how, restart_policy_verdict(&s->policy));
                return;
        }
        log_collector_line(s->log, s->plan->name, "%s; starts again in %u ms", how,
                           (unsigned) (delay_ns / NSEC_PER_MSEC));
        s->status = SERVER_WAITING;
        s->events->changed(s);
        if (delay_ns == 0)
                start_now(s);
        else
                timer_start(&s->timer, s->loop, now_ns + delay_ns, on_delay_over);
}

static void on_process_end(struct process *p, int status)
{
        struct server_process *s = container_of(p, struct server_process, process);
        char how[64];

        life_ended(s, process_status_text(status, how, sizeof(how)));
}

static void on_deadline(struct timer *t)
{
        struct server_process *s = container_of(t, struct server_process, timer);

        log_collector_line(s->log, s->plan->name, "is killed: not %s in time",
                           s->status == SERVER_STOPPING ? "gone" : "ready");
        (void) process_signal(&s->process, SIGKILL);
}

/* Anything else than "READY=1" is ignored: the deadline and its end tell all that matters. */
static void on_ready(struct watch *w, uint32_t events)
{
        struct server_process *s = container_of(w, struct server_process, ready_watch);
        char text[64];
        ssize_t k = read(s->ready_fd, text, sizeof(text) - 1);

        if (k < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        close_ready(s);
        if (k <= 0 || strncmp(text, "READY=1", MIN((size_t) k, (size_t) 7)) != 0 || s->status != SERVER_STARTING)
                return;
        timer_stop(&s->timer);
        s->ready_ns = clock_now_ns();
        s->status = SERVER_READY;
        s->was_ready = true;
        s->events->ready(s);
}

static int execute(struct server_process *s, int stderr_fd, int ready_fd, int null_fd)
{
        struct process_fd fds[SERVER_SOCKETS_MAX + 4];
        const char *argv[SERVER_ARGS_MAX + 3];
        struct process_spec spec = { .argv = argv, .fds = fds, .new_session = true };
        char ready[32];
        size_t n = 0;

        fds[spec.n_fds++] = (struct process_fd){ null_fd, 0 };
        fds[spec.n_fds++] = (struct process_fd){ stderr_fd, 1 };
        fds[spec.n_fds++] = (struct process_fd){ stderr_fd, 2 };
        for (size_t i = 0; i < s->n_fds; i++)
                fds[spec.n_fds++] = (struct process_fd){ s->fds[i], PLAN_FIRST_FD + (int) i };
        fds[spec.n_fds++] = (struct process_fd){ ready_fd, PLAN_FIRST_FD + (int) s->n_fds };

        (void) snprintf(ready, sizeof(ready), "--ready-fd=%zu", PLAN_FIRST_FD + s->n_fds);
        argv[n++] = s->program;
        for (char **a = s->plan->argv; *a; a++) {
                if (n > SERVER_ARGS_MAX)
                        return -E2BIG;
                argv[n++] = *a;
        }
        argv[n++] = ready;
        argv[n] = NULL;
        return process_start(&s->process, s->loop, &spec, on_process_end);
}

static int try_start(struct server_process *s)
{
        auto_cleanup(closep) int stderr_fd = -1;
        auto_cleanup(closep) int ready_write = -1;
        auto_cleanup(closep) int null_fd = -1;
        int ends[2], r;

        r = log_source_open(&s->source, s->loop, s->log, s->plan->name, &stderr_fd);
        if (r < 0)
                return r;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        s->ready_fd = ends[0];
        ready_write = ends[1];
        null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null_fd < 0)
                return -errno;
        r = fd_set_nonblock(s->ready_fd, 1);
        if (r == 0)
                r = watch_start(&s->ready_watch, s->loop, s->ready_fd, EPOLLIN, on_ready);
        return r < 0 ? r : execute(s, stderr_fd, ready_write, null_fd);
}

static void start_now(struct server_process *s)
{
        char how[128];
        int r;

        s->status = SERVER_STARTING;
        s->ready_ns = 0;
        r = try_start(s);
        if (r < 0) {
                (void) snprintf(how, sizeof(how), "cannot be started (%s)", strerror(-r));
                life_ended(s, how);
                return;
        }
        s->n_starts++;
        timer_start(&s->timer, s->loop, clock_now_ns() + s->ready_limit_ms * NSEC_PER_MSEC, on_deadline);
        s->events->changed(s);
}

void server_process_start(struct server_process *s)
{
        if (s->status == SERVER_NEW)
                start_now(s);
}

void server_process_stop(struct server_process *s)
{
        if (s->status == SERVER_STOPPING)
                return;
        timer_stop(&s->timer);
        if (s->process.pid == 0) {
                s->status = SERVER_ENDED;
                s->events->stopped(s);
                return;
        }
        s->status = SERVER_STOPPING;
        (void) process_signal(&s->process, SIGTERM);
        timer_start(&s->timer, s->loop, clock_now_ns() + SERVER_STOP_MS * NSEC_PER_MSEC, on_deadline);
}

void server_process_deinit(struct server_process *s)
{
        if (!s->plan)
                return;
        timer_stop(&s->timer);
        process_deinit(&s->process);
        close_ready(s);
        log_source_close(&s->source);
        for (size_t i = 0; i < s->n_endpoints; i++)
                endpoint_unlink(&s->plan->sockets[i]);
        for (size_t i = 0; i < s->n_fds; i++)
                fd_close(&s->fds[i]);
        s->n_endpoints = s->n_fds = 0;
        s->plan = NULL;
}
