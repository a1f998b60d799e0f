/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/system.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json-reader.h"
#include "runtime/bundle.h"
#include "runtime/fields.h"

#define CONSOLE_LOG_BYTES (UINT64_C(1) << 20)
#define CONSOLE_LOGS 4

/* In the order of enum system_restart. */
static const char *const restarts[] = { "never", "on-failure", "always", NULL };

static int parse_uplink(const struct json_node *object, struct system_network *net)
{
        static const char *const tap_members[] = { "tap", NULL };
        struct json_node node;
        const char *s;
        int r;

        if (node_get(object, "uplink", &node) == 0)
                return 0;
        s = json_string_value(node.value);
        if (s && strcmp(s, "none") == 0)
                return 0;
        if (s && strcmp(s, "user") == 0) {
                net->uplink = UPLINK_USER;
                return 0;
        }
        if (!json_is_object(node.value))
                return node_fail_expected(&node, "\"none\", \"user\" or {\"tap\": INTERFACE}");
        r = node_only_members(&node, tap_members);
        if (r < 0)
                return r;
        r = node_need_members(&node, tap_members);
        if (r < 0)
                return r;
        net->uplink = UPLINK_TAP;
        r = fields_get_text(&node, "tap", IFNAMSIZ - 1, &net->tap);
        if (r < 0)
                return r;
        if (strcspn(net->tap, "/ ,=%") != strlen(net->tap) || strspn(net->tap, ".") == strlen(net->tap))
                return node_fail(&node, "expected the name of a network interface, got \"%s\"", net->tap);
        return 0;
}

static int parse_networks(const struct json_node *root, struct system *s)
{
        struct json_node networks, entry;
        size_t n;
        int r = fields_get_named(root, "networks", SYSTEM_NETWORKS_MAX, &networks, &n);

        if (r <= 0)
                return r;
        s->networks = calloc(n + 1, sizeof(*s->networks));
        if (!s->networks)
                return -ENOMEM;
        for (size_t i = 0; node_at(&networks, i, &entry); i++) {
                struct system_network *net = &s->networks[s->n_networks++];
                uint64_t vlan = 0;

                net->name = strdup(entry.key);
                if (!net->name)
                        return -ENOMEM;
                r = node_only_members(&entry, (const char *const[]) { "uplink", "vlan", NULL });
                if (r < 0)
                        return r;
                r = parse_uplink(&entry, net);
                if (r < 0)
                        return r;
                r = node_get_uint(&entry, "vlan", 1, 4094, &vlan);
                if (r < 0)
                        return r;
                net->vlan = (uint16_t) vlan;
        }
        return 0;
}

static int parse_console(const struct json_node *entry, const struct system *s, struct system_console *c)
{
        uint64_t n_logs = CONSOLE_LOGS;
        struct json_node node;
        int r;

        *c = (struct system_console) { .device = strdup(entry->key), .log_bytes = CONSOLE_LOG_BYTES };
        if (!c->device)
                return -ENOMEM;
        r = node_only_members(entry, (const char *const[]) { "log", "logBytes", "logFiles", "pty", NULL });
        if (r < 0)
                return r;
        if (node_get(entry, "log", &node) > 0) {
                if (json_is_boolean(node.value))
                        c->no_log = json_is_false(node.value);
                else if (json_is_string(node.value))
                        r = fields_get_path(entry, "log", s->dir, &c->log);
                else
                        return node_fail_expected(&node, "a path, true or false");
                if (r < 0)
                        return r;
        }
        r = node_get_uint(entry, "logBytes", 4096, UINT64_C(1) << 40, &c->log_bytes);
        if (r < 0)
                return r;
        r = node_get_uint(entry, "logFiles", 1, 100, &n_logs);
        if (r < 0)
                return r;
        c->n_logs = (unsigned) n_logs;
        return node_get_bool(entry, "pty", &c->pty);
}

static int parse_consoles(const struct json_node *machine, const struct system *s, struct system_machine *m)
{
        struct json_node consoles, entry;
        size_t n;
        int r = fields_get_named(machine, "consoles", BUNDLE_DEVICES_MAX, &consoles, &n);

        if (r <= 0)
                return r;
        m->consoles = calloc(n + 1, sizeof(*m->consoles));
        if (!m->consoles)
                return -ENOMEM;
        for (size_t i = 0; node_at(&consoles, i, &entry); i++) {
                r = parse_console(&entry, s, &m->consoles[m->n_consoles++]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_depends_on(const struct json_node *machine, struct system_machine *m)
{
        struct json_node array, entry;
        int r = node_get_array(machine, "dependsOn", SYSTEM_MACHINES_MAX, &array);

        if (r <= 0)
                return r;
        m->depends_on = calloc(SYSTEM_MACHINES_MAX + 1, sizeof(*m->depends_on));
        if (!m->depends_on)
                return -ENOMEM;
        for (size_t i = 0; node_at(&array, i, &entry); i++) {
                const char *name = json_string_value(entry.value);

                if (!name || json_object_get(machine->parent->value, name) == NULL || strcmp(name, m->name) == 0)
                        return node_fail_expected(&entry, "the name of another machine of this system");
                m->depends_on[i] = strdup(name);
                if (!m->depends_on[i])
                        return -ENOMEM;
                m->n_depends_on++;
        }
        return 0;
}

static int parse_machine(const struct json_node *entry, const struct system *s, struct system_machine *m)
{
        static const char *const members[] = { "bundle", "platform", "restart", "dependsOn", "parameters", "consoles",
                                               NULL };
        unsigned restart = RESTART_NEVER;
        int r;

        m->line = node_line(entry);
        m->name = strdup(entry->key);
        if (!m->name)
                return -ENOMEM;
        if (strcmp(m->name, "network") == 0)
                return node_fail(entry, "no machine can have this name: shared servers have it");
        r = node_only_members(entry, members);
        if (r < 0)
                return r;
        r = node_need_members(entry, (const char *const[]) { "bundle", NULL });
        if (r < 0)
                return r;
        r = fields_get_path(entry, "bundle", s->dir, &m->bundle_path);
        if (r < 0)
                return r;
        r = fields_get_name(entry, "platform", &m->platform);
        if (r < 0)
                return r;
        if (r == 0 && !(m->platform = strdup("auto")))
                return -ENOMEM;
        r = node_get_choice(entry, "restart", restarts, &restart);
        if (r < 0)
                return r;
        m->restart = (enum system_restart) restart;
        r = fields_get_parameters(entry, "parameters", &m->parameters);
        if (r < 0)
                return r;
        r = parse_depends_on(entry, m);
        if (r < 0)
                return r;
        return parse_consoles(entry, s, m);
}

static bool is_before(const struct system *s, const bool *done, const struct system_machine *m)
{
        for (size_t i = 0; i < m->n_depends_on; i++)
                if (!done[system_find_machine(s, m->depends_on[i]) - s->machines])
                        return false;
        return true;
}

/* Takes away, round by round, the machines that depend on none of the rest; what is left is in or behind a cycle. */
static int check_order(const struct json_node *machines, const struct system *s)
{
        bool done[SYSTEM_MACHINES_MAX] = { 0 };
        struct json_node entry;

        for (size_t n_done = 0, before; n_done < s->n_machines;) {
                before = n_done;
                for (size_t i = 0; i < s->n_machines; i++)
                        if (!done[i] && is_before(s, done, &s->machines[i])) {
                                done[i] = true;
                                n_done++;
                        }
                if (n_done == before)
                        break;
        }
        for (size_t i = 0; i < s->n_machines; i++)
                if (!done[i] && node_at(machines, i, &entry))
                        return node_fail(&entry, "dependsOn leads back to this machine or to others that wait for "
                                                 "each other");
        return 0;
}

static int parse_machines(const struct json_node *root, struct system *s)
{
        struct json_node machines, entry;
        size_t n;
        int r = fields_get_named(root, "machines", SYSTEM_MACHINES_MAX, &machines, &n);

        if (r <= 0)
                return r;
        if (n == 0)
                return node_fail(&machines, "expected at least one machine");
        s->machines = calloc(n, sizeof(*s->machines));
        if (!s->machines)
                return -ENOMEM;
        for (size_t i = 0; node_at(&machines, i, &entry); i++) {
                r = parse_machine(&entry, s, &s->machines[s->n_machines++]);
                if (r < 0)
                        return r;
        }
        return check_order(&machines, s);
}

static int parse_root(const struct json_node *root, struct system *s)
{
        static const char *const members[] = { "machines", "networks", "screens", "displays",
                                               "speakers", "audio",    "$schema", NULL };
        struct json_node node;
        int r;

        if (node_get(root, "buses", &node) > 0)
                return node_fail(&node, "not supported by this version of busbar");
        r = node_only_members(root, members);
        if (r < 0)
                return r;
        r = node_need_members(root, (const char *const[]) { "machines", NULL });
        if (r < 0)
                return r;
        r = parse_networks(root, s);
        if (r < 0)
                return r;
        r = scene_parse(root, s->dir, &s->scene);
        if (r < 0)
                return r;
        return parse_machines(root, s);
}

int system_parse(const char *file, const char *text, size_t n, struct system **ret, char **ret_error)
{
        auto_cleanup(system_freep) struct system *s = NULL;
        const char *base = strrchr(file, '/');
        struct json_document document;
        struct json_node root;
        size_t n_name;
        int r;

        base = base ? base + 1 : file;
        n_name = strlen(base);
        if (n_name > 5 && strcmp(base + n_name - 5, ".json") == 0)
                n_name -= 5;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->path = strdup(file);
        s->name = strndup(base, n_name);
        s->dir = base > file ? strndup(file, (size_t) (base - 1 - file)) : NULL;
        if (!s->path || !s->name || (base > file && !s->dir))
                return -ENOMEM;

        r = document_parse(&document, file, text, n, SYSTEM_CONFIG_MAX_BYTES);
        if (r == 0) {
                root = document_root(&document);
                r = parse_root(&root, s);
        }
        if (r == -EINVAL)
                *ret_error = take_ptr(&document.error);
        document_deinit(&document);
        if (r < 0)
                return r;
        *ret = take_ptr(&s);
        return 0;
}

static void machine_free(struct system_machine *m)
{
        for (size_t i = 0; i < m->n_depends_on; i++)
                free(m->depends_on[i]);
        for (size_t i = 0; i < m->n_consoles; i++) {
                free(m->consoles[i].device);
                free(m->consoles[i].log);
        }
        free(m->depends_on);
        free(m->consoles);
        free(m->name);
        free(m->bundle_path);
        free(m->platform);
        free(m->parameters);
        m->bundle = bundle_free(m->bundle);
}

struct system *system_free(struct system *s)
{
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_networks; i++) {
                free(s->networks[i].name);
                free(s->networks[i].tap);
        }
        for (size_t i = 0; i < s->n_machines; i++)
                machine_free(&s->machines[i]);
        scene_deinit(&s->scene);
        free(s->networks);
        free(s->machines);
        free(s->path);
        free(s->dir);
        free(s->name);
        free(s);
        return NULL;
}

const struct system_network *system_find_network(const struct system *s, const char *name)
{
        for (size_t i = 0; i < s->n_networks; i++)
                if (strcmp(s->networks[i].name, name) == 0)
                        return &s->networks[i];
        return NULL;
}

const struct system_machine *system_find_machine(const struct system *s, const char *name)
{
        for (size_t i = 0; i < s->n_machines; i++)
                if (strcmp(s->machines[i].name, name) == 0)
                        return &s->machines[i];
        return NULL;
}
