/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "runtime/run-dir.h"

static const char *const status_names[] = {
        [MACHINE_CREATING] = "creating", [MACHINE_CREATED] = "created", [MACHINE_RUNNING] = "running",
        [MACHINE_PAUSED] = "paused",     [MACHINE_STOPPED] = "stopped",
};

const char *machine_status_name(enum machine_status status) { return status_names[status]; }

void machine_state_init(struct machine_state *s)
{
        *s = (struct machine_state){ .servers_ready_ms = -1, .created_ms = -1, .running_ms = -1 };
}

void machine_state_deinit(struct machine_state *s)
{
        for (size_t i = 0; i < s->n_devices; i++) {
                free(s->devices[i].id);
                free(s->devices[i].type);
                free(s->devices[i].server);
        }
        for (size_t i = 0; i < s->n_consoles; i++) {
                free(s->consoles[i].device);
                free(s->consoles[i].socket_path);
                free(s->consoles[i].log_path);
        }
        free(s->devices);
        free(s->consoles);
        free(s->id);
        free(s->bundle);
        free(s->platform);
        free(s->system);
        free(s->end);
        free(s->reason);
        free(s->annotations);
        machine_state_init(s);
}

int state_set_text(char **field, const char *text)
{
        char *copy = text ? strdup(text) : NULL;

        if (text && !copy)
                return -ENOMEM;
        free(*field);
        *field = copy;
        return 0;
}

static json_t *annotations_to_json(const struct machine_state *s)
{
        json_t *all = s->annotations ? json_loads(s->annotations, 0, NULL) : NULL;
        const struct {
                const char *name, *text;
        } ours[] = {
                { "io.busbar.platform", s->platform },
                { "io.busbar.system", s->system },
                { "io.busbar.end", s->end },
                { "io.busbar.reason", s->reason },
        };

        if (!json_is_object(all)) {
                json_decref(all);
                all = json_object();
        }
        for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
                if (ours[i].text)
                        (void) json_object_set_new(all, ours[i].name, json_string(ours[i].text));
        return all;
}

static json_t *devices_to_json(const struct machine_state *s)
{
        json_t *all = json_array();

        for (size_t i = 0; i < s->n_devices; i++) {
                const struct state_device *d = &s->devices[i];

                (void) json_array_append_new(all, json_pack("{ss, ss, ss, si, si}", "id", d->id, "type", d->type,
                                                            "server", d->server, "pid", (int) d->server_pid, "restarts",
                                                            (int) d->n_restarts));
        }
        return all;
}

static json_t *consoles_to_json(const struct machine_state *s)
{
        json_t *all = json_array();

        for (size_t i = 0; i < s->n_consoles; i++) {
                const struct state_console *c = &s->consoles[i];

                (void) json_array_append_new(all, json_pack("{ss, ss, ss*}", "device", c->device, "socket",
                                                            c->socket_path, "log", c->log_path));
        }
        return all;
}

json_t *machine_state_to_json(const struct machine_state *s)
{
        json_t *times = json_object();
        const struct {
                const char *name;
                int64_t ms;
        } all[] = {
                { "serversReadyMs", s->servers_ready_ms },
                { "createdMs", s->created_ms },
                { "runningMs", s->running_ms },
        };
        json_t *json;

        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                if (all[i].ms >= 0)
                        (void) json_object_set_new(times, all[i].name, json_integer(all[i].ms));
        json = json_pack("{ss, ss, ss, ss, ss, so*, s{si, sb, so*, so*, so*}}", "ociVersion", OCI_VERSION, "id", s->id,
                         "status", machine_status_name(s->status), "bundle", s->bundle, "created", s->created,
                         "annotations", annotations_to_json(s), "busbar", "supervisorPid", (int) s->supervisor_pid,
                         "transient", (int) s->is_transient, "times", times, "devices", devices_to_json(s), "consoles",
                         consoles_to_json(s));
        /* OCI: required while there is a process, absent afterwards. */
        if (json && s->pid > 0 && s->status != MACHINE_STOPPED)
                (void) json_object_set_new(json, "pid", json_integer(s->pid));
        return json;
}

static int parse_status(const char *name, enum machine_status *ret)
{
        for (size_t i = 0; i < ARRAY_SIZE(status_names); i++) {
                if (strcmp(name, status_names[i]) == 0) {
                        *ret = (enum machine_status) i;
                        return 0;
                }
        }
        return -EINVAL;
}

static int parse_annotations(const json_t *from, struct machine_state *s)
{
        json_t *all = json_deep_copy(from);
        const struct {
                const char *name;
                char **field;
        } ours[] = {
                { "io.busbar.platform", &s->platform },
                { "io.busbar.system", &s->system },
                { "io.busbar.end", &s->end },
                { "io.busbar.reason", &s->reason },
        };
        int r = all ? 0 : -ENOMEM;

        for (size_t i = 0; i < ARRAY_SIZE(ours) && r == 0; i++) {
                r = state_set_text(ours[i].field, json_string_value(json_object_get(all, ours[i].name)));
                (void) json_object_del(all, ours[i].name);
        }
        if (r == 0 && json_object_size(all) > 0) {
                s->annotations = json_dumps(all, JSON_COMPACT);
                r = s->annotations ? 0 : -ENOMEM;
        }
        json_decref(all);
        return r;
}

static int parse_devices(const json_t *all, struct machine_state *s)
{
        s->devices = calloc(json_array_size(all) + 1, sizeof(*s->devices));
        if (!s->devices)
                return -ENOMEM;
        for (size_t i = 0; i < json_array_size(all); i++) {
                struct state_device *d = &s->devices[s->n_devices++];
                const char *id, *type, *server;
                int pid, n_restarts;

                if (json_unpack(json_array_get(all, i), "{ss, ss, ss, si, si}", "id", &id, "type", &type, "server",
                                &server, "pid", &pid, "restarts", &n_restarts) < 0)
                        return -EINVAL;
                *d = (struct state_device){ .id = strdup(id),
                                            .type = strdup(type),
                                            .server = strdup(server),
                                            .server_pid = pid,
                                            .n_restarts = (unsigned) n_restarts };
                if (!d->id || !d->type || !d->server)
                        return -ENOMEM;
        }
        return 0;
}

static int parse_consoles(const json_t *all, struct machine_state *s)
{
        s->consoles = calloc(json_array_size(all) + 1, sizeof(*s->consoles));
        if (!s->consoles)
                return -ENOMEM;
        for (size_t i = 0; i < json_array_size(all); i++) {
                struct state_console *c = &s->consoles[s->n_consoles++];
                const char *device, *socket, *log = NULL;

                if (json_unpack(json_array_get(all, i), "{ss, ss, s?s}", "device", &device, "socket", &socket, "log",
                                &log) < 0)
                        return -EINVAL;
                *c = (struct state_console){ .device = strdup(device), .socket_path = strdup(socket) };
                if (!c->device || !c->socket_path || state_set_text(&c->log_path, log) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int64_t parse_ms(const json_t *times, const char *name)
{
        const json_t *ms = json_object_get(times, name);

        return json_is_integer(ms) ? json_integer_value(ms) : -1;
}

int machine_state_from_json(const json_t *json, struct machine_state *ret)
{
        auto_cleanup(machine_state_deinit) struct machine_state s;
        const char *id, *status, *bundle, *created;
        json_t *annotations, *times, *devices, *consoles;
        int supervisor, transient, pid = 0, r;

        machine_state_init(&s);
        if (json_unpack((json_t *) json, "{ss, ss, ss, ss, s?i, so, s{si, sb, so, so, so}}", "id", &id, "status",
                        &status, "bundle", &bundle, "created", &created, "pid", &pid, "annotations", &annotations,
                        "busbar", "supervisorPid", &supervisor, "transient", &transient, "times", &times, "devices",
                        &devices, "consoles", &consoles) < 0)
                return -EINVAL;
        r = parse_status(status, &s.status);
        if (r < 0)
                return r;
        s.pid = pid;
        s.supervisor_pid = supervisor;
        s.is_transient = transient;
        s.servers_ready_ms = parse_ms(times, "serversReadyMs");
        s.created_ms = parse_ms(times, "createdMs");
        s.running_ms = parse_ms(times, "runningMs");
        (void) snprintf(s.created, sizeof(s.created), "%s", created);
        r = state_set_text(&s.id, id);
        if (r == 0)
                r = state_set_text(&s.bundle, bundle);
        if (r == 0)
                r = parse_annotations(annotations, &s);
        if (r == 0)
                r = parse_devices(devices, &s);
        if (r == 0)
                r = parse_consoles(consoles, &s);
        if (r < 0)
                return r;
        *ret = s;
        machine_state_init(&s);
        return 0;
}

int machine_state_save(const struct machine_state *s, const char *folder)
{
        auto_cleanup(freep) char *path = path_join(folder, STATE_FILE);
        auto_cleanup(freep) char *text = NULL;
        json_t *json = machine_state_to_json(s);

        text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
        json_decref(json);
        if (!path || !text)
                return -ENOMEM;
        return fd_write_file_atomic(path, text, strlen(text), 0600);
}

int machine_state_load(const char *folder, struct machine_state *ret)
{
        auto_cleanup(freep) char *path = path_join(folder, STATE_FILE);
        auto_cleanup(freep) char *text = NULL;
        json_t *json;
        size_t n;
        int r;

        if (!path)
                return -ENOMEM;
        r = fd_read_file(path, STATE_MAX_BYTES, &text, &n);
        if (r < 0)
                return r;
        json = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
        if (!json)
                return -EINVAL;
        r = machine_state_from_json(json, ret);
        json_decref(json);
        return r;
}
