/* SPDX-License-Identifier: MPL-2.0 */
/* What others may ask of a machine: requests on its control socket, and orders of its starter. */
#include "runtime/supervisor-private.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"

static void fail_status(struct control_client *c, const struct supervisor *s, const char *expected)
{
        control_fail(c, "it is %s, not %s", s->is_ending ? "ending" : machine_status_name(s->state.status), expected);
}

static void on_state(struct supervisor *s, struct control_client *c, const json_t *request)
{
        json_t *state = machine_state_to_json(&s->state);

        control_answer(c, state ?: json_pack("{ss}", "error", "out of memory"));
}

static void on_start(struct supervisor *s, struct control_client *c, const json_t *request)
{
        int r;

        if (s->state.status != MACHINE_CREATED || s->is_ending) {
                fail_status(c, s, "created");
                return;
        }
        r = supervisor_resume(s);
        if (r < 0)
                control_fail(c, "%s", strerror(-r));
        else
                c->waits_for = WAITS_RUNNING;
}

static bool is_power_down_signal(const char *name)
{
        static const char *const names[] = { "TERM", "INT", "QUIT", "PWR" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (strcmp(name, names[i]) == 0)
                        return true;
        return false;
}

static void on_kill(struct supervisor *s, struct control_client *c, const json_t *request)
{
        const char *name = report_text(request, "signal");
        int r = 0;

        if (s->is_ending || s->state.status == MACHINE_CREATING) {
                control_fail(c, "it is %s", s->is_ending ? "ending" : machine_status_name(s->state.status));
                return;
        }
        if (strcmp(name, "KILL") == 0 || (is_power_down_signal(name) && s->state.status == MACHINE_CREATED))
                supervisor_stop(s, 0);
        else if (is_power_down_signal(name))
                r = s->platform->power_down(s->instance);
        else if (strcmp(name, "0") != 0) {
                control_fail(c,
                             "signal '%s' means nothing to a machine; TERM, INT, QUIT and PWR ask it to power down, "
                             "KILL ends it",
                             name);
                return;
        }
        if (r < 0)
                control_fail(c, "%s", strerror(-r));
        else
                control_answer(c, NULL);
}

static void on_stop(struct supervisor *s, struct control_client *c, const json_t *request)
{
        supervisor_stop(s, grace_of(request));
        control_answer(c, NULL);
}

static void on_pause(struct supervisor *s, struct control_client *c, const json_t *request)
{
        int r;

        if (s->state.status != MACHINE_RUNNING || s->is_ending) {
                fail_status(c, s, "running");
                return;
        }
        s->is_pausing = true;
        r = s->platform->pause(s->instance);
        if (r < 0)
                control_fail(c, "%s", strerror(-r));
        else
                c->waits_for = WAITS_PAUSED;
}

static void on_resume(struct supervisor *s, struct control_client *c, const json_t *request)
{
        int r;

        if (s->state.status != MACHINE_PAUSED || s->is_ending) {
                fail_status(c, s, "paused");
                return;
        }
        r = supervisor_resume(s);
        if (r < 0)
                control_fail(c, "%s", strerror(-r));
        else
                c->waits_for = WAITS_RUNNING;
}

static const struct {
        const char *op;
        void (*fn)(struct supervisor *s, struct control_client *c, const json_t *request);
} requests[] = {
        { "state", on_state }, { "start", on_start }, { "kill", on_kill },
        { "stop", on_stop },   { "pause", on_pause }, { "resume", on_resume },
};

static void on_request(struct control_client *c, const json_t *request)
{
        struct supervisor *s = container_of(c->control, struct supervisor, control);
        const char *op = report_text(request, "op");

        for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
                if (strcmp(requests[i].op, op) == 0) {
                        requests[i].fn(s, c, request);
                        return;
                }
        }
        control_fail(c, "unknown op '%s'", op);
}

static const struct control_ops control_ops = { .request = on_request };

int supervisor_control_open(struct supervisor *s)
{
        auto_cleanup(freep) char *path = path_join(s->options->dir->path, CONTROL_SOCKET);

        return path ? control_open(&s->control, s->keeper.loop, path, &control_ops) : -ENOMEM;
}

void supervisor_follow_order(struct keeper *k, const json_t *message)
{
        struct supervisor *s = container_of(k, struct supervisor, keeper);
        const char *order = report_text(message, "order");

        if (strcmp(order, "stop") == 0)
                supervisor_stop(s, grace_of(message));
        else if (strcmp(order, "start") == 0 && s->state.status == MACHINE_CREATED)
                (void) supervisor_resume(s);
        else if (strcmp(order, "server") == 0)
                supervisor_set_server(s, report_text(message, "name"),
                                      (pid_t) json_integer_value(json_object_get(message, "pid")),
                                      (unsigned) json_integer_value(json_object_get(message, "restarts")));
}
