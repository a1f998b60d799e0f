/* SPDX-License-Identifier: MPL-2.0 */
/* Life of a machine's supervisor: from the planned machine to its end. Requests are in supervisor-control.c. */
#include "runtime/supervisor-private.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"

#define NAMES_KEPT_MAX 65

int64_t supervisor_ms(const struct supervisor *s)
{
        return (int64_t) ((clock_now_ns() - s->options->begin_ns) / NSEC_PER_MSEC);
}

void supervisor_report(struct supervisor *s, const char *event)
{
        report_send(s->options->report_fd, json_pack("{ss, sI}", "event", event, "ms", (json_int_t) supervisor_ms(s)));
}

static bool all_stopped(const struct supervisor *s)
{
        for (size_t i = 0; i < s->n_servers; i++)
                if (s->servers[i].status != SERVER_ENDED)
                        return false;
        return true;
}

/* Outside of every callback of platform and servers, so that both may be freed. */
static void end_now(struct task *t)
{
        struct supervisor *s = container_of(t, struct supervisor, end_task);

        if (s->instance)
                s->instance = s->platform->free(s->instance);
        control_answer_waiting(&s->control, WAITS_RUNNING, "the machine ended");
        control_answer_waiting(&s->control, WAITS_PAUSED, "the machine ended");
        for (size_t i = 0; i < s->n_servers; i++)
                if (s->servers[i].status != SERVER_ENDED)
                        server_process_stop(&s->servers[i]);
        if (all_stopped(s))
                loop_quit(s->loop, 0);
}

void supervisor_end(struct supervisor *s, enum machine_end how, const char *format, ...)
{
        va_list ap;

        if (s->is_ending)
                return;
        s->is_ending = true;
        s->end.how = how;
        va_start(ap, format);
        (void) vsnprintf(s->end.text, sizeof(s->end.text), format, ap);
        va_end(ap);
        timer_stop(&s->grace);
        task_schedule(&s->end_task, s->loop, end_now);
}

static void on_platform_ready(void *data)
{
        struct supervisor *s = data;

        s->is_brought_up = true;
        supervisor_set_status(s, MACHINE_CREATED);
        if (s->options->start_when_created && supervisor_resume(s) < 0)
                supervisor_end(s, END_FAILED, "platform %s cannot start it", s->platform->name);
}

static void on_platform_running(void *data, bool running)
{
        struct supervisor *s = data;

        if (s->is_ending || !s->is_brought_up)
                return;
        if (running)
                supervisor_set_status(s, MACHINE_RUNNING);
        else if (s->is_pausing)
                supervisor_set_status(s, MACHINE_PAUSED);
        s->is_pausing = false;
}

static void on_platform_ended(void *data, enum machine_end how, const char *text)
{
        supervisor_end(data, how, "%s", text ?: "");
}

static const struct platform_events platform_events = {
        .ready = on_platform_ready,
        .running = on_platform_running,
        .ended = on_platform_ended,
};

int supervisor_resume(struct supervisor *s) { return s->instance ? s->platform->resume(s->instance) : -EINVAL; }

static void on_grace_over(struct timer *t)
{
        struct supervisor *s = container_of(t, struct supervisor, grace);

        supervisor_end(s, END_KILLED, "it did not power down in time");
}

void supervisor_stop(struct supervisor *s, unsigned grace_ms)
{
        bool can_react = s->state.status == MACHINE_RUNNING || s->state.status == MACHINE_PAUSED;

        if (s->is_ending)
                return;
        if (grace_ms == 0 || !can_react) {
                supervisor_end(s, END_KILLED, "%s", "");
                return;
        }
        if (s->state.status == MACHINE_PAUSED)
                (void) supervisor_resume(s);
        (void) s->platform->power_down(s->instance);
        timer_start(&s->grace, s->loop, clock_now_ns() + grace_ms * NSEC_PER_MSEC, on_grace_over);
}

static void bring_up(struct supervisor *s)
{
        auto_cleanup(freep) char *error = NULL;
        int r;

        s->state.servers_ready_ms = supervisor_ms(s);
        supervisor_save(s);
        supervisor_report(s, "servers-ready");
        r = s->platform->bring_up(s->loop, s->machine, &s->probe, &platform_events, s, &s->instance, &error);
        if (r < 0)
                supervisor_end(s, END_FAILED, "%s", error ?: strerror(-r));
}

static void on_server_ready(struct server_process *server)
{
        struct supervisor *s = server->data;

        supervisor_set_server(s, server->plan->name, server->process.pid, server->n_starts - 1);
        if (server->n_starts > 1) {
                log_collector_line(&s->log, SUBJECT, "%s serves again", server->plan->name);
                report_send(s->options->report_fd,
                            json_pack("{ss, sI, ss}", "event", "server-restarted", "ms", (json_int_t) supervisor_ms(s),
                                      "server", server->plan->name));
                return;
        }
        if (++s->n_ready == s->n_servers && !s->is_ending)
                bring_up(s);
}

static void on_server_changed(struct server_process *server)
{
        struct supervisor *s = server->data;

        if (server->status == SERVER_WAITING)
                supervisor_set_server(s, server->plan->name, 0, server->n_starts - 1);
}

static void on_server_failed(struct server_process *server, const char *why)
{
        supervisor_end(server->data, END_FAILED, "%s: %s", server->plan->name, why);
}

static void on_server_stopped(struct server_process *server)
{
        struct supervisor *s = server->data;

        if (all_stopped(s))
                loop_quit(s->loop, 0);
}

static const struct server_events server_events = {
        .ready = on_server_ready,
        .changed = on_server_changed,
        .failed = on_server_failed,
        .stopped = on_server_stopped,
};

static int start_servers(struct supervisor *s, char **ret_error)
{
        const struct plan *plan = s->options->plan;

        s->servers = calloc(plan->n_servers + 1, sizeof(*s->servers));
        if (!s->servers)
                return -ENOMEM;
        for (size_t i = 0; i < plan->n_servers; i++) {
                const char *owner = plan->servers[i].machine;
                int r;

                if (!owner || strcmp(owner, s->machine->id) != 0)
                        continue;
                r = server_process_init(&s->servers[s->n_servers], s->loop, &plan->servers[i], s->options->program,
                                        &s->log, &server_events, s, ret_error);
                if (r < 0)
                        return r;
                s->n_servers++;
        }
        for (size_t i = 0; i < s->n_servers; i++)
                server_process_start(&s->servers[i]);
        return 0;
}

/* The servers start meanwhile, so a probe that takes its time costs none. */
static int select_platform(struct supervisor *s, char **ret_error)
{
        auto_cleanup(freep) char *lines = NULL;
        int r = 0;

        s->platform = s->options->platform;
        if (!s->platform)
                r = platform_select(s->machine->platform, s->machine->arch, &s->platform, &s->probe, ret_error);
        if (r == 0)
                r = state_set_text(&s->state.platform, s->platform->name);
        if (r < 0)
                return r;
        lines = s->platform->check ? s->platform->check(s->machine) : NULL;
        if (!lines)
                return 0;
        if (asprintf(ret_error, "platform %s: %.*s", s->platform->name, (int) strcspn(lines, "\n"), lines) < 0)
                *ret_error = NULL;
        return -ENOTSUP;
}

static void on_janitor_gone(struct watch *w, uint32_t events)
{
        struct supervisor *s = container_of(w, struct supervisor, janitor_watch);

        watch_stop(w);
        supervisor_end(s, END_KILLED, "its janitor was killed");
}

static void on_signal(struct watch *w, uint32_t events)
{
        struct supervisor *s = container_of(w, struct supervisor, signal_watch);
        struct signalfd_siginfo info;

        if (read(s->signal_fd, &info, sizeof(info)) == sizeof(info))
                supervisor_stop(s, STOP_GRACE_MS);
}

/* Nobody but root and the same user can send these; they mean the same as the request "stop". */
static int watch_signals(struct supervisor *s)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (s->signal_fd < 0)
                return -errno;
        return watch_start(&s->signal_watch, s->loop, s->signal_fd, EPOLLIN, on_signal);
}

/* Our stderr becomes a source of the log. Its end does not block, as we are its reader as well. */
static int capture_stderr(struct supervisor *s)
{
        auto_cleanup(closep) int fd = -1;
        int r;

        r = log_source_open(&s->stderr_source, s->loop, &s->log, "platform", &fd);
        if (r == 0)
                r = fd_set_nonblock(fd, 1);
        return r == 0 && dup2(fd, STDERR_FILENO) < 0 ? -errno : r;
}

static int set_up(struct supervisor *s, const struct janitor_link *link, char **ret_error)
{
        int r;

        r = loop_new(&s->loop);
        if (r < 0)
                return r;
        (void) log_collector_open(&s->log, s->options->dir->path);
        r = supervisor_state_init(s);
        if (r == 0)
                r = capture_stderr(s);
        if (r == 0)
                r = watch_signals(s);
        if (r == 0)
                r = watch_start(&s->janitor_watch, s->loop, link->janitor_pidfd, EPOLLIN, on_janitor_gone);
        if (r == 0)
                r = supervisor_control_open(s);
        if (r == 0)
                r = supervisor_orders_open(s);
        if (r == 0)
                r = start_servers(s, ret_error);
        if (r == 0)
                r = select_platform(s, ret_error);
        if (r == 0 && s->n_servers == 0)
                bring_up(s);
        return r;
}

static void tear_down(struct supervisor *s)
{
        if (s->instance)
                s->instance = s->platform->free(s->instance);
        for (size_t i = 0; i < s->n_servers; i++)
                server_process_deinit(&s->servers[i]);
        control_close(&s->control);
        log_source_close(&s->stderr_source);
        log_collector_close(&s->log);
}

/* Sockets of shared servers lie in the machine's folder, but are the system's: they outlive a restart of the machine. */
static void find_kept(const struct supervisor_options *o, const char **ret, size_t n_max)
{
        const struct plan *plan = o->plan;
        size_t n = 0, n_path = strlen(o->dir->path);

        for (size_t i = 0; i < plan->n_servers; i++) {
                for (size_t k = 0; !plan->servers[i].machine && k < plan->servers[i].n_sockets && n + 1 < n_max; k++) {
                        const char *path = plan->servers[i].sockets[k].path;

                        if (strncmp(path, o->dir->path, n_path) == 0 && path[n_path] == '/')
                                ret[n++] = path + n_path + 1;
                }
        }
        ret[n] = NULL;
}

struct supervision {
        const struct supervisor_options *options;
        const struct janitor_options *janitor;
};

static void supervise(struct janitor_link *link, void *data)
{
        const struct supervision *supervision = data;
        struct supervisor s = { .options = supervision->options, .machine = &supervision->options->machine->machine };
        auto_cleanup(freep) char *error = NULL;
        int r;

        machine_state_init(&s.state);
        r = set_up(&s, link, &error);
        if (r < 0 && s.loop)
                supervisor_end(&s, END_FAILED, "%s", error ?: strerror(-r));
        if (s.loop)
                (void) loop_run(s.loop);
        else
                s.end = (struct end){ .how = END_FAILED };
        tear_down(&s);
        janitor_finish(link, supervision->janitor, &s.end);
}

pid_t supervisor_start(const struct supervisor_options *options)
{
        const char *keep[NAMES_KEPT_MAX];
        struct janitor_options janitor = {
                .dir = options->dir,
                .mode = options->mode,
                .keep = keep,
                .report_fd = options->report_fd,
                .pass_fds = &options->orders_fd,
                .n_pass_fds = 1,
        };
        struct supervision supervision = { options, &janitor };

        find_kept(options, keep, ARRAY_SIZE(keep));
        return janitor_start(&janitor, supervise, &supervision);
}
