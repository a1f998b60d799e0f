/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/bundle.h"
#include "runtime/fields.h"
#include "runtime/plan-internal.h"
#include "runtime/plan-words.h"

int plan_fail(const struct planner *p, int error, const char *format, ...)
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

int plan_format(char **ret, const char *format, ...)
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

int plan_copy(char **to, const char *from)
{
        *to = from ? strdup(from) : NULL;
        return from && !*to ? -ENOMEM : 0;
}

static int settle_parameters(const struct planner *p, const struct part *part, char **ret)
{
        const char *a = part->bundle->parameters, *b = part->parameters;

        a = a && *a ? a : NULL;
        b = b && *b ? b : NULL;
        if (!a || !b)
                return plan_copy(ret, a ? a : b);
        if (strlen(a) + 1 + strlen(b) > FIELDS_PARAMETERS_MAX)
                return plan_fail(p, -EINVAL, "%s: the kernel's command line gets longer than %d bytes", part->id,
                            FIELDS_PARAMETERS_MAX);
        return plan_format(ret, "%s %s", a, b);
}

static int put_machine(struct planner *p, const struct part *part)
{
        struct machine *m = &part->to->machine;
        const struct bundle *b = part->bundle;
        int r;

        if (strcmp(part->id, "network") == 0)
                return plan_fail(p, -EINVAL, "a machine cannot be called \"network\": shared servers are");
        m->arch = b->arch;
        m->n_vcpus = b->n_vcpus;
        m->memory_bytes = b->memory_bytes;
        m->devices = calloc(b->n_devices + 1, sizeof(*m->devices));
        part->to->consoles = calloc(b->n_devices + 1, sizeof(*part->to->consoles));
        if (!m->devices || !part->to->consoles || plan_copy(&m->id, part->id) < 0 ||
            plan_copy(&m->platform, part->platform ? part->platform : "auto") < 0 ||
            plan_copy(&m->kernel, b->kernel) < 0 || plan_copy(&m->initrd, b->initrd) < 0 ||
            plan_copy(&m->firmware, b->firmware) < 0 || plan_copy(&m->device_tree, b->device_tree) < 0 ||
            plan_copy(&part->to->bundle_path, b->path) < 0 || plan_copy(&part->to->annotations, b->annotations) < 0)
                return -ENOMEM;
        r = plan_format(&m->run_dir, "%s/%s", p->options->run_dir, part->id);
        if (r < 0)
                return r;
        if (!b->kernel && part->parameters && *part->parameters)
                return plan_fail(p, -EINVAL, "%s: parameters need a kernel, and the bundle boots firmware", part->id);
        r = settle_parameters(p, part, &m->parameters);
        for (size_t i = 0; r == 0 && i < b->n_devices; i++) {
                struct guest_words w;

                r = guest_words_open(&w);
                if (r == 0)
                        r = plan_put_device(p, part, i, &w);
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
        p->plan->servers = calloc(n_devices + n_networks + SHARED_SERVERS + 1, sizeof(*p->plan->servers));
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
        r = plan_format(&p.plan->dir, "%s/%s", options->run_dir, part.id);
        if (r == 0)
                r = plan_make_scene(&p, &part);
        if (r == 0)
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
        for (size_t i = 0; i < s->scene.n_displays; i++)
                p.plan->has_guards = p.plan->has_guards || s->scene.displays[i].n_guards > 0;
        r = plan_format(&p.plan->dir, "%s/@%s", options->run_dir, s->name);
        if (r == 0)
                r = plan_copy(&p.plan->scene_path, s->path);
        if (r < 0)
                return r;
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
                return plan_fail(&p, -EINVAL, "%s: machines wait for each other", s->path);
        *ret = take_ptr(&p.plan);
        return 0;
}
