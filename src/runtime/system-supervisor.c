/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/system-supervisor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/control.h"
#include "base/macros.h"
#include "runtime/guard-watch.h"
#include "runtime/keeper.h"
#include "runtime/server-set.h"
#include "runtime/system-slot.h"

#define MACHINES_MAX 64

struct system_supervisor {
        const struct system_supervisor_options *options;
        struct plan *plan;
        struct keeper keeper;
        struct control control;
        struct supervisor_options base; /* of every machine */
        struct server_set shared;
        char *displays_path;      /* owned: the display server's control socket */
        struct guard_watch guards; /* runs while there are any, and a display server */
        struct system_slot *slots; /* one for each machine */
        bool is_up_reported;
        bool is_stopping, is_closing;
        struct end end;
        struct task progress; /* looks what is to be done next, outside of all callbacks */
};

static void look_further(struct system_supervisor *s);

static int64_t elapsed_ms(const struct system_supervisor *s)
{
        return (int64_t) ((clock_now_ns() - s->options->begin_ns) / NSEC_PER_MSEC);
}

static void report_server(struct system_supervisor *s, struct system_slot *slot, const struct server_process *server)
{
        slot_order(slot, json_pack("{ss, ss, si, si}", "order", "server", "name", server->plan->name, "pid",
                                   (int) server->process.pid, "restarts", (int) server->n_starts - 1));
}

/* Members of the machine's own report, as one of the system's. */
static void on_slot_report(struct system_slot *slot, const json_t *message)
{
        struct system_supervisor *s = slot->data;
        json_t *all = json_deep_copy(message);

        (void) json_object_set(all, "what", json_object_get(message, "event"));
        (void) json_object_set_new(all, "event", json_string("machine"));
        (void) json_object_set_new(all, "id", json_string(slot->machine->machine.id));
        if (!json_object_get(all, "ms"))
                (void) json_object_set_new(all, "ms", json_integer(elapsed_ms(s)));
        report_send(s->options->report_fd, all);
}

/* Who serves it from outside is told to each new life of a machine. */
static void on_slot_started(struct system_slot *slot)
{
        struct system_supervisor *s = slot->data;

        for (size_t i = 0; i < s->shared.n_servers; i++)
                report_server(s, slot, &s->shared.servers[i]);
}

static void on_slot_change(struct system_slot *slot) { look_further(slot->data); }

static const struct slot_events slot_events = {
        .started = on_slot_started,
        .report = on_slot_report,
        .running = on_slot_change,
        .over = on_slot_change,
};

/* Return: 1 all that it depends on has run; 0 not yet; -1 one of them never will. */
static int may_start(const struct system_supervisor *s, const struct system_slot *slot, const char **ret_missing)
{
        int result = 1;

        for (size_t i = 0; i < slot->machine->n_depends_on; i++) {
                const struct system_slot *other = &s->slots[slot->machine->depends_on[i]];

                if (other->has_run)
                        continue;
                if (other->status == SLOT_OVER) {
                        *ret_missing = other->machine->machine.id;
                        return -1;
                }
                result = 0;
        }
        return result;
}

static void start_machines(struct system_supervisor *s)
{
        for (size_t i = 0; i < s->plan->n_machines; i++) {
                struct system_slot *slot = &s->slots[i];
                const char *missing = NULL;
                char why[128];
                int r;

                if (slot->status != SLOT_WAITING)
                        continue;
                r = may_start(s, slot, &missing);
                if (r > 0) {
                        slot_start(slot);
                } else if (r < 0) {
                        (void) snprintf(why, sizeof(why), "not started: %s did not run", missing);
                        slot_give_up(slot, why);
                }
        }
}

/* The first machine that did not end well says how the system ended, unless something else did before. */
static void judge(struct system_supervisor *s)
{
        for (size_t i = 0; i < s->plan->n_machines && s->end.how == END_POWERED_OFF; i++) {
                const struct system_slot *slot = &s->slots[i];

                if (slot->last.how == END_POWERED_OFF)
                        continue;
                s->end.how = slot->last.how;
                (void) snprintf(s->end.text, sizeof(s->end.text), "%s %s%s%.900s", slot->machine->machine.id,
                                machine_end_name(slot->last.how), slot->last.text[0] ? ": " : "", slot->last.text);
        }
}

static void close_servers(struct system_supervisor *s)
{
        if (!s->is_closing) {
                s->is_closing = true;
                judge(s);
                server_set_stop(&s->shared);
        }
        if (server_set_ended(&s->shared))
                loop_quit(s->keeper.loop, 0);
}

static void on_progress(struct task *t)
{
        struct system_supervisor *s = container_of(t, struct system_supervisor, progress);
        size_t n_over = 0, n_run = 0;

        if (!s->is_stopping && server_set_was_ready(&s->shared))
                start_machines(s);
        for (size_t i = 0; i < s->plan->n_machines; i++) {
                n_over += s->slots[i].status == SLOT_OVER;
                n_run += s->slots[i].status == SLOT_OVER || s->slots[i].has_run;
        }
        if (n_run == s->plan->n_machines && !s->is_up_reported) {
                s->is_up_reported = true;
                report_send(s->options->report_fd,
                            json_pack("{ss, sI}", "event", "up", "ms", (json_int_t) elapsed_ms(s)));
        }
        if (n_over == s->plan->n_machines)
                close_servers(s);
}

static void look_further(struct system_supervisor *s) { task_schedule(&s->progress, s->keeper.loop, on_progress); }

static void stop(struct system_supervisor *s, unsigned grace_ms)
{
        s->is_stopping = true;
        /* In reverse: who depends on another ends first. */
        for (size_t i = s->plan->n_machines; i-- > 0;)
                slot_stop(&s->slots[i], grace_ms);
        look_further(s);
}

static void fail(struct system_supervisor *s, const char *text, unsigned grace_ms)
{
        if (s->end.how == END_POWERED_OFF) {
                s->end.how = END_FAILED;
                (void) snprintf(s->end.text, sizeof(s->end.text), "%s", text);
        }
        stop(s, grace_ms);
}

static void on_guard(const struct guard_state *g, void *data)
{
        struct system_supervisor *s = data;

        report_send(s->options->report_fd,
                    json_pack("{ss, ss, ss, sb, sI}", "event", "guard", "display", g->display, "guard", g->name,
                              "violated", (int) g->is_violated, "ms", (json_int_t) elapsed_ms(s)));
}

static bool is_guarded(const struct system_supervisor *s, const struct server_process *server)
{
        return s->plan->has_guards && strcmp(server->plan->name, PLAN_DISPLAYS) == 0;
}

static void on_server_ready(struct server_process *server)
{
        struct system_supervisor *s = server->data;

        if (is_guarded(s, server))
                guard_watch_start(&s->guards, s->keeper.loop, &s->keeper.log, s->displays_path, on_guard, s);
        for (size_t i = 0; i < s->plan->n_machines; i++)
                report_server(s, &s->slots[i], server);
        if (server->n_starts > 1)
                report_send(s->options->report_fd, json_pack("{ss, ss, sI}", "event", "server-restarted", "server",
                                                             server->plan->name, "ms", (json_int_t) elapsed_ms(s)));
        look_further(s);
}

static void on_server_changed(struct server_process *server)
{
        struct system_supervisor *s = server->data;

        if (is_guarded(s, server) && server->status == SERVER_WAITING)
                guard_watch_stop(&s->guards);
        for (size_t i = 0; i < s->plan->n_machines && server->status == SERVER_WAITING; i++)
                report_server(s, &s->slots[i], server);
}

static void on_server_failed(struct server_process *server, const char *why)
{
        struct system_supervisor *s = server->data;
        char text[END_TEXT_MAX];

        (void) snprintf(text, sizeof(text), "%s: %s", server->plan->name, why);
        fail(s, text, STOP_GRACE_MS);
}

static void on_server_stopped(struct server_process *server) { look_further(server->data); }

static const struct server_events server_events = {
        .ready = on_server_ready,
        .changed = on_server_changed,
        .failed = on_server_failed,
        .stopped = on_server_stopped,
};

static int init_slots(struct system_supervisor *s)
{
        s->base = (struct supervisor_options){
                .plan = s->plan,
                .program = s->options->program,
                .system = s->options->name,
                .mode = JANITOR_LEAVE,
                .start_when_created = true,
                .platform = s->options->platform,
        };
        s->slots = calloc(s->plan->n_machines + 1, sizeof(*s->slots));
        if (!s->slots)
                return -ENOMEM;
        for (size_t i = 0; i < s->plan->n_machines; i++)
                slot_init(&s->slots[i], s->keeper.loop, &s->keeper.log, &s->base, &s->plan->machines[i],
                          &s->options->machine_dirs[i], &slot_events, s);
        return 0;
}

static void on_order(struct keeper *k, const json_t *message)
{
        if (strcmp(report_text(message, "order"), "stop") == 0)
                stop(container_of(k, struct system_supervisor, keeper), grace_of(message));
}

static void on_terminate(struct keeper *k) { stop(container_of(k, struct system_supervisor, keeper), STOP_GRACE_MS); }

static void on_orphaned(struct keeper *k, const char *why)
{
        fail(container_of(k, struct system_supervisor, keeper), why, 0);
}

static const struct keeper_events keeper_events = {
        .order = on_order,
        .terminate = on_terminate,
        .orphaned = on_orphaned,
};

static json_t *state_to_json(const struct system_supervisor *s)
{
        static const char *const names[] = { "waiting", "alive", "delayed", "over" };
        json_t *machines = json_array(), *servers = json_array();

        for (size_t i = 0; i < s->plan->n_machines; i++)
                (void) json_array_append_new(machines, json_pack("{ss, ss}", "id", s->slots[i].machine->machine.id,
                                                                 "status", names[s->slots[i].status]));
        for (size_t i = 0; i < s->shared.n_servers; i++)
                (void) json_array_append_new(servers, json_pack("{ss, si, si}", "name", s->shared.servers[i].plan->name,
                                                                "pid", (int) s->shared.servers[i].process.pid,
                                                                "restarts", (int) s->shared.servers[i].n_starts - 1));
        return json_pack("{ss, so*, so*, so*, ss*}", "name", s->options->name, "machines", machines, "servers", servers,
                         "guards", guard_watch_to_json(&s->guards), "scene", s->plan->scene_path);
}

static void on_request(struct control_client *c, const json_t *request)
{
        struct system_supervisor *s = container_of(c->control, struct system_supervisor, control);
        const char *op = report_text(request, "op");

        if (strcmp(op, "state") == 0)
                control_answer(c, state_to_json(s));
        else if (strcmp(op, "down") == 0) {
                stop(s, grace_of(request));
                control_answer(c, NULL);
        } else
                control_fail(c, "unknown op '%s'", op);
}

static const struct control_ops control_ops = { .request = on_request };

static int set_up(struct system_supervisor *s, const struct janitor_link *link, char **ret_error)
{
        auto_cleanup(freep) char *path = path_join(s->options->dir->path, CONTROL_SOCKET);
        int r;

        s->displays_path = path_join(s->options->dir->path, PLAN_DISPLAYS_CONTROL);
        if (!s->displays_path)
                return -ENOMEM;
        r = keeper_open(&s->keeper, s->options->dir->path, link, s->options->orders_fd, &keeper_events);
        if (r == 0)
                r = init_slots(s);
        if (r == 0)
                r = path ? control_open(&s->control, s->keeper.loop, path, &control_ops) : -ENOMEM;
        if (r == 0)
                r = server_set_start(&s->shared, s->keeper.loop, s->plan, NULL, false, s->options->program,
                                     &s->keeper.log, &server_events, s, ret_error);
        return r;
}

struct supervision {
        const struct system_supervisor_options *options;
        const struct janitor_options *janitor;
};

static void supervise(struct janitor_link *link, void *data)
{
        const struct supervision *supervision = data;
        struct system_supervisor s = { .options = supervision->options,
                                       .plan = supervision->options->plan,
                                       .end.how = END_POWERED_OFF };
        auto_cleanup(freep) char *error = NULL;
        int r;

        r = set_up(&s, link, &error);
        if (r < 0) {
                s.end.how = END_FAILED;
                (void) snprintf(s.end.text, sizeof(s.end.text), "%s", error ?: strerror(-r));
        } else {
                look_further(&s);
                (void) loop_run(s.keeper.loop);
        }
        guard_watch_stop(&s.guards);
        server_set_deinit(&s.shared);
        free(s.displays_path);
        control_close(&s.control);
        keeper_close(&s.keeper);
        janitor_finish(link, supervision->janitor, &s.end);
}

pid_t system_supervisor_start(const struct system_supervisor_options *options)
{
        const char *paths[MACHINES_MAX + 1] = { NULL };
        int locks[MACHINES_MAX];
        size_t n = options->plan->n_machines;
        struct janitor_options janitor = {
                .dir = options->dir,
                .mode = JANITOR_REMOVE,
                .more_paths = paths,
                .waits_only = true,
                .report_fd = options->report_fd,
                .pass_fds = &options->orders_fd,
                .n_pass_fds = 1,
                .lock_fds = locks,
                .n_lock_fds = n,
        };
        struct supervision supervision = { options, &janitor };

        if (n > MACHINES_MAX)
                return -E2BIG;
        for (size_t i = 0; i < n; i++) {
                paths[i] = options->machine_dirs[i].path;
                locks[i] = options->machine_dirs[i].lock_fd;
        }
        return janitor_start(&janitor, supervise, &supervision);
}
