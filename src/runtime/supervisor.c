/* SPDX-License-Identifier: MPL-2.0 */
/* Life of a machine's supervisor: from the planned machine to its end. Requests are in supervisor-control.c. */
#include "runtime/supervisor-private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"

#define NAMES_KEPT_MAX 65
#define SUSPICION_NS (2 * NSEC_PER_SEC)

int64_t supervisor_ms(const struct supervisor *s)
{
        return (int64_t) ((clock_now_ns() - s->options->begin_ns) / NSEC_PER_MSEC);
}

void supervisor_report(struct supervisor *s, const char *event)
{
        report_send(s->options->report_fd, json_pack("{ss, sI}", "event", event, "ms", (json_int_t) supervisor_ms(s)));
}

/* Outside of every callback of platform and servers, so that both may be freed. */
static void end_now(struct task *t)
{
        struct supervisor *s = container_of(t, struct supervisor, end_task);

        if (s->instance)
                s->instance = s->platform->free(s->instance);
        control_answer_waiting(&s->control, WAITS_RUNNING, "the machine ended");
        control_answer_waiting(&s->control, WAITS_PAUSED, "the machine ended");
        server_set_stop(&s->servers);
        if (server_set_ended(&s->servers))
                loop_quit(s->keeper.loop, 0);
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
        task_schedule(&s->end_task, s->keeper.loop, end_now);
}

/* Servers and platform may get ready in any order. */
static void finish_bring_up(struct supervisor *s)
{
        if (!s->is_platform_ready || !server_set_was_ready(&s->servers) || s->is_brought_up || s->is_ending)
                return;
        s->is_brought_up = true;
        supervisor_set_status(s, MACHINE_CREATED);
        if (s->options->start_when_created && supervisor_resume(s) < 0)
                supervisor_end(s, END_FAILED, "platform %s cannot start it", s->platform->name);
}

static void on_platform_ready(void *data)
{
        struct supervisor *s = data;

        s->is_platform_ready = true;
        finish_bring_up(s);
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

/* A monitor that fails just after a server died most likely fails for that. */
static const struct server_process *find_suspect(const struct supervisor *s)
{
        uint64_t now_ns = clock_now_ns();

        for (size_t i = 0; i < s->servers.n_servers; i++) {
                const struct server_process *server = &s->servers.servers[i];
                bool is_new = server->status != SERVER_READY || now_ns - server->ready_ns < SUSPICION_NS;

                if (server->status == SERVER_WAITING || (server->n_starts > 1 && is_new))
                        return server;
        }
        return NULL;
}

static void on_platform_ended(void *data, enum machine_end how, const char *text)
{
        const struct server_process *suspect = how == END_FAILED ? find_suspect(data) : NULL;

        supervisor_end(data, how, "%s%s%s%s", text ?: "", suspect ? "; just before, server " : "",
                       suspect ? suspect->plan->name : "", suspect ? " had died" : "");
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
        timer_start(&s->grace, s->keeper.loop, clock_now_ns() + grace_ms * NSEC_PER_MSEC, on_grace_over);
}

static void bring_up(struct supervisor *s)
{
        auto_cleanup(freep) char *error = NULL;
        int r;

        r = s->platform->bring_up(s->keeper.loop, s->machine, &s->probe, &platform_events, s, &s->instance, &error);
        if (r < 0)
                supervisor_end(s, END_FAILED, "%s", error ?: strerror(-r));
}

static void on_servers_ready(struct supervisor *s)
{
        s->state.servers_ready_ms = supervisor_ms(s);
        supervisor_save(s);
        supervisor_report(s, "servers-ready");
        if (!s->platform->waits_for_servers)
                bring_up(s);
        finish_bring_up(s);
}

static void on_server_ready(struct server_process *server)
{
        struct supervisor *s = server->data;

        supervisor_set_server(s, server->plan->name, server->process.pid, server->n_starts - 1);
        if (server->n_starts > 1) {
                log_collector_line(&s->keeper.log, SUBJECT, "%s serves again", server->plan->name);
                report_send(s->options->report_fd,
                            json_pack("{ss, sI, ss}", "event", "server-restarted", "ms", (json_int_t) supervisor_ms(s),
                                      "server", server->plan->name));
                return;
        }
        if (server_set_was_ready(&s->servers) && !s->is_ending)
                on_servers_ready(s);
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

        if (server_set_ended(&s->servers))
                loop_quit(s->keeper.loop, 0);
}

static const struct server_events server_events = {
        .ready = on_server_ready,
        .changed = on_server_changed,
        .failed = on_server_failed,
        .stopped = on_server_stopped,
};

/* The servers start meanwhile (all but the consoles'), so a probe that takes its time costs none. */
static int select_platform(struct supervisor *s, char **ret_error)
{
        auto_cleanup(freep) char *why = NULL;
        int r = 0;

        s->platform = s->options->platform;
        if (!s->platform)
                r = platform_select(s->machine, &s->platform, &s->probe, &why);
        if (r < 0) {
                *ret_error = take_ptr(&why);
                return r;
        }
        if (why)
                log_collector_line(&s->keeper.log, SUBJECT, "%s; %s does", why, s->platform->name);
        return state_set_text(&s->state.platform, s->platform->name);
}

static void on_orphaned(struct keeper *k, const char *why)
{
        supervisor_end(container_of(k, struct supervisor, keeper), END_KILLED, "%s", why);
}

/* Nobody but root and the same user can send a signal; it means the same as the request "stop". */
static void on_terminate(struct keeper *k)
{
        supervisor_stop(container_of(k, struct supervisor, keeper), STOP_GRACE_MS);
}

static const struct keeper_events keeper_events = {
        .order = supervisor_follow_order,
        .terminate = on_terminate,
        .orphaned = on_orphaned,
};

/* Of a bundle alone: what its servers read instead of a system file. */
static int write_scene(const struct plan *plan)
{
        return plan->scene_text
                       ? fd_write_file_atomic(plan->scene_path, plan->scene_text, strlen(plan->scene_text), 0600)
                       : 0;
}

static int start_servers(struct supervisor *s, bool consoles, char **ret_error)
{
        int r = write_scene(s->options->plan);

        if (r < 0)
                return r;
        return server_set_start(&s->servers, s->keeper.loop, s->options->plan, s->machine->id, consoles,
                                s->options->program, &s->keeper.log, &server_events, s, ret_error);
}

static int set_up(struct supervisor *s, const struct janitor_link *link, char **ret_error)
{
        int r;

        r = keeper_open(&s->keeper, s->options->dir->path, link, s->options->orders_fd, &keeper_events);
        if (r == 0)
                r = supervisor_state_init(s);
        if (r == 0)
                r = supervisor_control_open(s);
        if (r == 0)
                r = start_servers(s, false, ret_error);
        if (r == 0)
                r = select_platform(s, ret_error);
        if (r == 0 && s->platform->console_streams)
                r = plan_stream_consoles(s->options->plan, s->options->machine);
        if (r == 0)
                r = start_servers(s, true, ret_error);
        if (r == 0 && s->platform->waits_for_servers)
                bring_up(s);
        if (r == 0 && s->servers.n_servers == 0)
                on_servers_ready(s);
        return r;
}

static void tear_down(struct supervisor *s)
{
        if (s->instance)
                s->instance = s->platform->free(s->instance);
        server_set_deinit(&s->servers);
        control_close(&s->control);
        keeper_close(&s->keeper);
}

/* Sockets of shared servers lie in the machine's folder, but are the system's:
   they outlive a restart of the machine. */
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
        if (r < 0 && s.keeper.loop)
                supervisor_end(&s, END_FAILED, "%s", error ?: strerror(-r));
        if (s.keeper.loop)
                (void) loop_run(s.keeper.loop);
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
