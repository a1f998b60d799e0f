/* SPDX-License-Identifier: MPL-2.0 */
/* The state of the machine as its supervisor keeps it: built from the plan, then changed by events. */
#include "runtime/supervisor-private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int fill_devices(struct machine_state *state, const struct machine *m, const struct plan *plan)
{
        state->devices = calloc(m->n_devices + 1, sizeof(*state->devices));
        if (!state->devices)
                return -ENOMEM;
        for (size_t i = 0; i < m->n_devices; i++) {
                const struct planned_server *server = plan_find_server(plan, m->devices[i].socket_path);
                struct state_device *d = &state->devices[state->n_devices++];

                d->id = strdup(m->devices[i].id);
                d->type = strdup(device_type_name(m->devices[i].type));
                d->server = strdup(server ? server->name : "");
                if (!d->id || !d->type || !d->server)
                        return -ENOMEM;
        }
        return 0;
}

static int fill_consoles(struct machine_state *state, const struct planned_machine *planned)
{
        state->consoles = calloc(planned->n_consoles + 1, sizeof(*state->consoles));
        if (!state->consoles)
                return -ENOMEM;
        for (size_t i = 0; i < planned->n_consoles; i++) {
                struct state_console *c = &state->consoles[state->n_consoles++];

                c->device = strdup(planned->consoles[i].device);
                c->socket_path = strdup(planned->consoles[i].socket_path);
                if (!c->device || !c->socket_path || state_set_text(&c->log_path, planned->consoles[i].log_path) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int supervisor_state_init(struct supervisor *s)
{
        const struct planned_machine *planned = s->options->machine;
        struct machine_state *state = &s->state;
        time_t now = time(NULL);
        struct tm tm;
        int r;

        state->status = MACHINE_CREATING;
        state->pid = getppid();
        state->supervisor_pid = getpid();
        state->is_transient = s->options->mode != JANITOR_KEEP;
        (void) gmtime_r(&now, &tm);
        (void) strftime(state->created, sizeof(state->created), "%FT%TZ", &tm);
        r = state_set_text(&state->id, s->machine->id);
        if (r == 0)
                r = state_set_text(&state->bundle, planned->bundle_path);
        if (r == 0)
                r = state_set_text(&state->annotations, planned->annotations);
        if (r == 0)
                r = state_set_text(&state->system, s->options->system);
        if (r == 0)
                r = fill_devices(state, s->machine, s->options->plan);
        if (r == 0)
                r = fill_consoles(state, planned);
        return r < 0 ? r : machine_state_save(state, s->options->dir->path);
}

void supervisor_save(struct supervisor *s)
{
        int r = machine_state_save(&s->state, s->options->dir->path);

        if (r < 0 && !s->state_is_behind)
                log_collector_line(&s->keeper.log, SUBJECT, "cannot write the state: %s", strerror(-r));
        s->state_is_behind = r < 0;
}

void supervisor_set_status(struct supervisor *s, enum machine_status status)
{
        struct machine_state *state = &s->state;
        bool is_first = state->running_ms < 0;

        if (state->status == status)
                return;
        state->status = status;
        if (status == MACHINE_CREATED)
                state->created_ms = supervisor_ms(s);
        if (status == MACHINE_RUNNING && is_first)
                state->running_ms = supervisor_ms(s);
        log_collector_line(&s->keeper.log, SUBJECT, "%s after %lld ms", machine_status_name(status),
                           (long long) supervisor_ms(s));
        supervisor_save(s);
        supervisor_report(s, machine_status_name(status));
        if (status == MACHINE_RUNNING)
                control_answer_waiting(&s->control, WAITS_RUNNING, NULL);
        if (status == MACHINE_PAUSED)
                control_answer_waiting(&s->control, WAITS_PAUSED, NULL);
}

void supervisor_set_server(struct supervisor *s, const char *server, pid_t pid, unsigned n_restarts)
{
        for (size_t i = 0; i < s->state.n_devices; i++) {
                struct state_device *d = &s->state.devices[i];

                if (strcmp(d->server, server) != 0)
                        continue;
                d->server_pid = pid;
                d->n_restarts = n_restarts;
        }
        supervisor_save(s);
}
