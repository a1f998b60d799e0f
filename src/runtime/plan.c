/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "runtime/bundle.h"
#include "runtime/fields.h"
#include "runtime/plan-words.h"

/* What `busbar device` serves at most from one process. */
#define PLAN_PORTS_MAX 64

/* A network of this plan, and the server that is its switch. */
struct network {
        const char *name;
        enum system_uplink uplink;
        const char *tap;
        uint16_t vlan;
        struct planned_server *server; /* NULL until a device needs it */
};

struct planner {
        struct plan *plan;
        const struct plan_options *options;
        const char *system; /* name, "" for a bundle alone */
        struct network *networks;
        size_t n_networks;
        char **ret_error;
};

/* What one machine is made of. */
struct part {
        const struct bundle *bundle;
        const char *id, *platform, *parameters;
        const struct system_console *consoles;
        size_t n_consoles;
        struct planned_machine *to;
};

static int fail(const struct planner *p, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(const struct planner *p, int error, const char *format, ...)
{
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(p->ret_error, format, ap);
        va_end(ap);
        if (n < 0) {
                *p->ret_error = NULL;
                return -ENOMEM;
        }
        return error;
}

static int format_text(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int format_text(char **ret, const char *format, ...)
{
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(ret, format, ap);
        va_end(ap);
        if (n < 0)
                *ret = NULL;
        return n < 0 ? -ENOMEM : 0;
}

static int copy_text(char **to, const char *from)
{
        *to = from ? strdup(from) : NULL;
        return from && !*to ? -ENOMEM : 0;
}

static struct planned_server *add_server(struct planner *p, char *name, const char *machine,
                                         const char *const *argv)
{
        struct planned_server *s = &p->plan->servers[p->plan->n_servers++];

        s->name = name;
        s->argv = words_dup(argv);
        if (!name || !s->argv || copy_text(&s->machine, machine) < 0)
                return NULL;
        return s;
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
        r = format_text(&path, "%s/%zu.%s", part->to->machine.run_dir, index, suffix);
        if (r < 0)
                return r;
        *ret_fd = PLAN_FIRST_FD + (unsigned) planned_server_n_fds(s);
        s->sockets[s->n_sockets++] = (struct planned_socket) { .path = path };
        if (strlen(path) >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
                return fail(p, -ENAMETOOLONG,
                            "%s: %zu bytes are too long for a socket's path; use a shorter folder or id", path,
                            strlen(path));
        *ret_path = path;
        return 0;
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
        if (copy_text(&to->device, d->id) < 0 || copy_text(&to->socket_path, path) < 0)
                return -ENOMEM;
        if (!c->no_log) {
                r = c->log ? copy_text(&to->log_path, c->log)
                           : format_text(&to->log_path, "%s/console/%s.log", dir, d->id);
                if (r < 0)
                        return r;
                guest_words_put(w, "log", "%s", to->log_path);
                guest_words_put(w, "log-bytes", "%" PRIu64, c->log_bytes);
                guest_words_put(w, "log-files", "%u", c->n_logs);
        }
        if (c->pty) {
                r = format_text(&to->pty_path, "%s/console/%s.pty", dir, d->id);
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
                return fail(p, -EINVAL, "%s: device \"%s\": there is no network \"%s\"", part->id, d->id, d->network);
        *ret = net;
        if (net->server)
                return 0;
        if (net->uplink == UPLINK_USER)
                argv[5] = "user";
        if (net->uplink == UPLINK_TAP) {
                r = format_text(&uplink, "tap=%s", net->tap);
                if (r < 0)
                        return r;
                argv[5] = uplink;
        }
        r = format_text(&name, "network.%s", net->name);
        if (r < 0)
                return r;
        net->server = add_server(p, name, *p->system ? NULL : part->id, argv);
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
                                return fail(p, -EINVAL,
                                            "%s: device \"%s\" has the same address %02x:%02x:%02x:%02x:%02x:%02x as "
                                            "device \"%s\" of %s",
                                            part->id, d->id, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
                                            m->devices[k].id, m->id);
        }
        return 0;
}

/* The server of a device: its own, or for a network the shared switch. */
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
                        return fail(p, -EINVAL, "network \"%s\" has more than %d ports", d->network, PLAN_PORTS_MAX);
                return 0;
        }
        r = format_text(&name, "%s.%s", part->id, d->id);
        if (r < 0)
                return r;
        *ret = add_server(p, name, part->id, (const char *const[]) { "device", device_type_name(d->type), NULL });
        if (!*ret)
                return -ENOMEM;
        (*ret)->is_console = d->type == DEVICE_CONSOLE;
        return 0;
}

static int put_device(struct planner *p, const struct part *part, size_t index, struct guest_words *w)
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
        };
        memcpy(to->mac, mac, sizeof(mac));
        m->n_devices = index + 1;
        return copy_text(&to->id, d->id) < 0 || copy_text(&to->socket_path, path) < 0 ? -ENOMEM : 0;
}

static int settle_parameters(const struct planner *p, const struct part *part, char **ret)
{
        const char *a = part->bundle->parameters, *b = part->parameters;

        a = a && *a ? a : NULL;
        b = b && *b ? b : NULL;
        if (!a || !b)
                return copy_text(ret, a ? a : b);
        if (strlen(a) + 1 + strlen(b) > FIELDS_PARAMETERS_MAX)
                return fail(p, -EINVAL, "%s: the kernel's command line gets longer than %d bytes", part->id,
                            FIELDS_PARAMETERS_MAX);
        return format_text(ret, "%s %s", a, b);
}

static int put_machine(struct planner *p, const struct part *part)
{
        struct machine *m = &part->to->machine;
        const struct bundle *b = part->bundle;
        int r;

        if (strcmp(part->id, "network") == 0)
                return fail(p, -EINVAL, "a machine cannot be called \"network\": shared servers are");
        m->arch = b->arch;
        m->n_vcpus = b->n_vcpus;
        m->memory_bytes = b->memory_bytes;
        m->devices = calloc(b->n_devices + 1, sizeof(*m->devices));
        part->to->consoles = calloc(b->n_devices + 1, sizeof(*part->to->consoles));
        if (!m->devices || !part->to->consoles || copy_text(&m->id, part->id) < 0 ||
            copy_text(&m->platform, part->platform ? part->platform : "auto") < 0 ||
            copy_text(&m->kernel, b->kernel) < 0 || copy_text(&m->initrd, b->initrd) < 0 ||
            copy_text(&m->firmware, b->firmware) < 0 || copy_text(&m->device_tree, b->device_tree) < 0 ||
            copy_text(&part->to->bundle_path, b->path) < 0 || copy_text(&part->to->annotations, b->annotations) < 0)
                return -ENOMEM;
        r = format_text(&m->run_dir, "%s/%s", p->options->run_dir, part->id);
        if (r < 0)
                return r;
        if (!b->kernel && part->parameters && *part->parameters)
                return fail(p, -EINVAL, "%s: parameters need a kernel, and the bundle boots firmware", part->id);
        r = settle_parameters(p, part, &m->parameters);
        for (size_t i = 0; r == 0 && i < b->n_devices; i++) {
                struct guest_words w;

                r = guest_words_open(&w);
                if (r == 0)
                        r = put_device(p, part, i, &w);
                guest_words_deinit(&w);
        }
        return r;
}

static int planner_init(struct planner *p, const struct plan_options *options, size_t n_machines, size_t n_devices,
                        size_t n_networks, char **ret_error)
{
        *p = (struct planner) {
                .plan = calloc(1, sizeof(*p->plan)),
                .options = options,
                .system = "",
                .networks = calloc(n_networks + 1, sizeof(*p->networks)),
                .ret_error = ret_error,
        };
        if (!p->plan || !p->networks)
                return -ENOMEM;
        p->plan->machines = calloc(n_machines, sizeof(*p->plan->machines));
        p->plan->servers = calloc(n_devices + n_networks + 1, sizeof(*p->plan->servers));
        return p->plan->machines && p->plan->servers ? 0 : -ENOMEM;
}

static void planner_deinit(struct planner *p)
{
        p->plan = plan_free(p->plan);
        free(p->networks);
}

int plan_new_single(const struct bundle *b, const struct plan_options *options, struct plan **ret, char **ret_error)
{
        auto_cleanup(planner_deinit) struct planner p;
        struct part part;
        int r;

        r = planner_init(&p, options, 1, b->n_devices, b->n_devices, ret_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < b->n_devices; i++)
                if (b->devices[i].type == DEVICE_NET)
                        p.networks[p.n_networks++] = (struct network) { .name = b->devices[i].network,
                                                                        .uplink = UPLINK_USER };
        part = (struct part) {
                .bundle = b,
                .id = options->id ? options->id : b->name,
                .platform = options->platform,
                .parameters = options->parameters,
                .to = &p.plan->machines[p.plan->n_machines++],
        };
        r = put_machine(&p, &part);
        if (r < 0)
                return r;
        *ret = take_ptr(&p.plan);
        return 0;
}

/* Index of a machine in the plan, or -1 if it is not there yet. */
static ssize_t planned_index(const struct plan *plan, const char *id)
{
        for (size_t i = 0; i < plan->n_machines; i++)
                if (plan->machines[i].machine.id && strcmp(plan->machines[i].machine.id, id) == 0)
                        return (ssize_t) i;
        return -1;
}

static bool can_follow(const struct plan *plan, const struct system_machine *m)
{
        for (size_t i = 0; i < m->n_depends_on; i++)
                if (planned_index(plan, m->depends_on[i]) < 0)
                        return false;
        return planned_index(plan, m->name) < 0;
}

static int put_system_machine(struct planner *p, const struct system_machine *m)
{
        struct planned_machine *to = &p->plan->machines[p->plan->n_machines++];
        struct part part = {
                .bundle = m->bundle,
                .id = m->name,
                .platform = m->platform,
                .parameters = m->parameters,
                .consoles = m->consoles,
                .n_consoles = m->n_consoles,
                .to = to,
        };

        to->restart = m->restart;
        to->depends_on = calloc(m->n_depends_on + 1, sizeof(*to->depends_on));
        if (!to->depends_on)
                return -ENOMEM;
        for (size_t i = 0; i < m->n_depends_on; i++)
                to->depends_on[to->n_depends_on++] = (size_t) planned_index(p->plan, m->depends_on[i]);
        return put_machine(p, &part);
}

int plan_new_system(const struct system *s, const struct plan_options *options, struct plan **ret, char **ret_error)
{
        auto_cleanup(planner_deinit) struct planner p;
        size_t n_devices = 0, before;
        int r;

        for (size_t i = 0; i < s->n_machines; i++)
                n_devices += s->machines[i].bundle->n_devices;
        r = planner_init(&p, options, s->n_machines, n_devices, s->n_networks, ret_error);
        if (r < 0)
                return r;
        p.system = s->name;
        for (size_t i = 0; i < s->n_networks; i++)
                p.networks[p.n_networks++] = (struct network) {
                        .name = s->networks[i].name,
                        .uplink = s->networks[i].uplink,
                        .tap = s->networks[i].tap,
                        .vlan = s->networks[i].vlan,
                };
        do {
                before = p.plan->n_machines;
                for (size_t i = 0; i < s->n_machines; i++) {
                        if (!can_follow(p.plan, &s->machines[i]))
                                continue;
                        r = put_system_machine(&p, &s->machines[i]);
                        if (r < 0)
                                return r;
                }
        } while (p.plan->n_machines > before);
        if (p.plan->n_machines < s->n_machines)
                return fail(&p, -EINVAL, "%s: machines wait for each other", s->path);
        *ret = take_ptr(&p.plan);
        return 0;
}
