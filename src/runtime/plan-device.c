/* SPDX-License-Identifier: MPL-2.0 */
/* The server of each device: its own, or one that it shares with devices of other machines. */
#include "runtime/plan-internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/cleanup.h"

struct planned_server *plan_add_server(struct planner *p, char *name, const char *machine, const char *const *argv)
{
        struct planned_server *s = &p->plan->servers[p->plan->n_servers++];

        s->name = name;
        s->argv = words_dup(argv);
        if (!name || !s->argv || plan_copy(&s->machine, machine) < 0)
                return NULL;
        return s;
}

int plan_check_socket_path(const struct planner *p, const char *path)
{
        if (strlen(path) < sizeof(((struct sockaddr_un *) NULL)->sun_path))
                return 0;
        return plan_fail(p, -ENAMETOOLONG,
                         "%s: %zu bytes are too long for a socket's path; use a shorter folder or id", path,
                         strlen(path));
}

/* The next socket of a server; its fd in the server is *ret_fd. */
static int add_socket(const struct planner *p, struct planned_server *s, const struct part *part, size_t index,
                      const char *suffix, unsigned *ret_fd, const char **ret_path)
{
        struct planned_socket *longer = realloc(s->sockets, (s->n_sockets + 1) * sizeof(*longer));
        char *path;
        int r;

        if (!longer)
                return -ENOMEM;
        s->sockets = longer;
        /* Short names: the whole path has to fit into a sockaddr_un, whose most belongs to the user. */
        r = plan_format(&path, "%s/%zu.%s", part->to->machine.run_dir, index, suffix);
        if (r < 0)
                return r;
        *ret_fd = PLAN_FIRST_FD + (unsigned) planned_server_n_fds(s);
        s->sockets[s->n_sockets++] = (struct planned_socket) { .path = path };
        *ret_path = path;
        return plan_check_socket_path(p, path);
}

static int take_guest(struct planned_server *s, struct guest_words *w)
{
        char *text;
        int r = guest_words_take(w, &text);

        if (r < 0)
                return r;
        r = words_take_append(&s->argv, strdup("--guest"));
        if (r < 0) {
                free(text);
                return r;
        }
        return words_take_append(&s->argv, text);
}

static void put_blk(struct guest_words *w, const struct bundle_device *d)
{
        guest_words_put(w, "image", "%s", d->image);
        /* Resolved when the bundle was read; what is there when the server opens it must not lead elsewhere. */
        guest_words_put(w, "no-symlinks", "on");
        if (d->read_only)
                guest_words_put(w, "read-only", "on");
        if (d->serial)
                guest_words_put(w, "serial", "%s", d->serial);
        guest_words_put(w, "queues", "%u", d->n_queues);
        /* A request with its header and status has to fit into the queue; the server's own limit is 126. */
        if (d->queue_size - 2 < 126)
                guest_words_put(w, "seg-max", "%u", d->queue_size - 2);
}

static void put_rng(struct guest_words *w, const struct bundle_device *d)
{
        if (d->bytes_per_second > 0)
                guest_words_put(w, "rate", "%" PRIu64, d->bytes_per_second);
}

static void put_net(struct guest_words *w, const struct bundle_device *d, const struct network *net,
                    const uint8_t mac[6])
{
        guest_words_put(w, "mac", "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
        guest_words_put(w, "queues", "%u", d->n_queues);
        if (net->vlan)
                guest_words_put(w, "vlan", "%u", net->vlan);
}

static const struct system_console *find_console(const struct part *part, const char *device)
{
        static const struct system_console standard = { .log_bytes = UINT64_C(1) << 20, .n_logs = 4 };

        for (size_t i = 0; i < part->n_consoles; i++)
                if (strcmp(part->consoles[i].device, device) == 0)
                        return &part->consoles[i];
        return &standard;
}

/* Where the console goes beside the guest: a socket for people, a log, a terminal. */
static int put_console(const struct planner *p, struct planned_server *s, const struct part *part, size_t index,
                       const struct bundle_device *d, struct guest_words *w)
{
        const struct system_console *c = find_console(part, d->id);
        struct planned_console *to = &part->to->consoles[part->to->n_consoles++];
        const char *dir = part->to->machine.run_dir, *path;
        unsigned fd;
        int r;

        r = add_socket(p, s, part, index, "tty", &fd, &path);
        if (r < 0)
                return r;
        guest_words_put(w, "socket-fd", "%u", fd);
        if (plan_copy(&to->device, d->id) < 0 || plan_copy(&to->socket_path, path) < 0)
                return -ENOMEM;
        if (!c->no_log) {
                r = c->log ? plan_copy(&to->log_path, c->log)
                           : plan_format(&to->log_path, "%s/console/%s.log", dir, d->id);
                if (r < 0)
                        return r;
                guest_words_put(w, "log", "%s", to->log_path);
                guest_words_put(w, "log-bytes", "%" PRIu64, c->log_bytes);
                guest_words_put(w, "log-files", "%u", c->n_logs);
        }
        if (c->pty) {
                r = plan_format(&to->pty_path, "%s/console/%s.pty", dir, d->id);
                if (r < 0)
                        return r;
                guest_words_put(w, "pty", "%s", to->pty_path);
        }
        return 0;
}

static int find_network(struct planner *p, const struct part *part, const struct bundle_device *d,
                        struct network **ret)
{
        struct network *net = NULL;
        const char *argv[] = { "device", "net", "--backend", "switch", "--uplink", "none", NULL };
        auto_cleanup(freep) char *uplink = NULL;
        char *name;
        int r;

        for (size_t i = 0; i < p->n_networks && !net; i++)
                if (strcmp(p->networks[i].name, d->network) == 0)
                        net = &p->networks[i];
        if (!net)
                return plan_fail(p, -EINVAL, "%s: device \"%s\": there is no network \"%s\"", part->id, d->id,
                                 d->network);
        *ret = net;
        if (net->server)
                return 0;
        if (net->uplink == UPLINK_USER)
                argv[5] = "user";
        if (net->uplink == UPLINK_TAP) {
                r = plan_format(&uplink, "tap=%s", net->tap);
                if (r < 0)
                        return r;
                argv[5] = uplink;
        }
        r = plan_format(&name, "network.%s", net->name);
        if (r < 0)
                return r;
        net->server = plan_add_server(p, name, *p->system ? NULL : part->id, argv);
        return net->server ? 0 : -ENOMEM;
}

/* The address must differ from all others on the same switch. */
static int settle_mac(const struct planner *p, const struct part *part, const struct bundle_device *d, uint8_t mac[6])
{
        if (d->has_mac)
                memcpy(mac, d->mac, 6);
        else
                mac_from_names(p->system, part->id, d->id, mac);
        for (size_t i = 0; i < p->plan->n_machines; i++) {
                const struct machine *m = &p->plan->machines[i].machine;

                for (size_t k = 0; k < m->n_devices; k++)
                        if (m->devices[k].type == DEVICE_NET && memcmp(m->devices[k].mac, mac, 6) == 0)
                                return plan_fail(p, -EINVAL,
                                            "%s: device \"%s\" has the same address %02x:%02x:%02x:%02x:%02x:%02x as "
                                            "device \"%s\" of %s",
                                            part->id, d->id, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
                                            m->devices[k].id, m->id);
        }
        return 0;
}

/* The server of a device: its own, or for a network the shared switch; or one of those that share what people use. */
static int find_server(struct planner *p, const struct part *part, const struct bundle_device *d,
                       struct network **ret_net, struct planned_server **ret)
{
        char *name;
        int r;

        if (d->type == DEVICE_NET) {
                r = find_network(p, part, d, ret_net);
                if (r < 0)
                        return r;
                *ret = (*ret_net)->server;
                if ((*ret)->n_sockets >= PLAN_PORTS_MAX)
                        return plan_fail(p, -EINVAL, "network \"%s\" has more than %d ports", d->network,
                                         PLAN_PORTS_MAX);
                return 0;
        }
        if (d->type == DEVICE_GPU || d->type == DEVICE_INPUT || d->type == DEVICE_SOUND)
                return plan_find_shared(p, part, d, ret);
        r = plan_format(&name, "%s.%s", part->id, d->id);
        if (r < 0)
                return r;
        *ret = plan_add_server(p, name, part->id, (const char *const[]) { "device", device_type_name(d->type), NULL });
        if (!*ret)
                return -ENOMEM;
        (*ret)->is_console = d->type == DEVICE_CONSOLE;
        return 0;
}

int plan_put_device(struct planner *p, const struct part *part, size_t index, struct guest_words *w)
{
        const struct bundle_device *d = &part->bundle->devices[index];
        struct machine *m = &part->to->machine;
        struct machine_device *to = &m->devices[index];
        struct planned_server *s;
        struct network *net = NULL;
        char name[32];
        const char *path;
        uint8_t mac[6] = { 0 };
        unsigned fd;
        int r;

        r = find_server(p, part, d, &net, &s);
        if (r < 0)
                return r;
        guest_name(part->id, d->id, name);
        guest_words_put(w, "id", "%s", name);
        /* Before the guest's own socket, so that its descriptors are the last: plan_stream_consoles(). */
        if (d->type == DEVICE_CONSOLE)
                r = put_console(p, s, part, index, d, w);
        if (r == 0)
                r = add_socket(p, s, part, index, device_type_name(d->type), &fd, &path);
        if (r < 0)
                return r;
        guest_words_put(w, "fd", "%u", fd);
        if (d->type == DEVICE_BLK) {
                put_blk(w, d);
        } else if (d->type == DEVICE_RNG) {
                put_rng(w, d);
        } else if (d->type == DEVICE_NET) {
                r = settle_mac(p, part, d, mac);
                if (r == 0)
                        put_net(w, d, net, mac);
        } else {
                plan_put_shared(w, d);
        }
        if (r == 0)
                r = take_guest(s, w);
        if (r < 0)
                return r;
        *to = (struct machine_device) {
                .type = d->type,
                .transport = d->transport,
                .n_queues = d->n_queues,
                .queue_size = d->queue_size,
                .packed = d->packed,
                .n_displays = d->type == DEVICE_GPU ? (unsigned) d->n_displays : 0,
        };
        memcpy(to->mac, mac, sizeof(mac));
        m->n_devices = index + 1;
        return plan_copy(&to->id, d->id) < 0 || plan_copy(&to->socket_path, path) < 0 ? -ENOMEM : 0;
}

