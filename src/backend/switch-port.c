/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The two kinds of ports. A guest's is a struct port that its network device holds. An uplink's is the other way
 * round: the switch owns a port (tap, user) and is the owner above it, with itself in the guest's place.
 */
#include "backend/switch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/switch-internal.h"
#include "base/cleanup.h"
#include "base/macros.h"

/* A guest's port. */

static struct switch_port *of_port(struct port *p) { return container_of(p, struct switch_port, port); }

static int guest_send(struct port *p, const struct frame *f)
{
        switch_input(of_port(p), f);
        return 0;
}

static void guest_send_flush(struct port *p) { switch_input_end(of_port(p)); }

static void guest_ready(struct port *p)
{
        struct switch_port *sp = of_port(p);

        if (!backlog_is_empty(&sp->backlog))
                switch_drain(sp);
}

static void guest_start(struct port *p, const struct frame_offloads *guest)
{
        of_port(p)->out = p->owner;
        switch_port_up(of_port(p), guest);
}

static void guest_stop(struct port *p) { switch_port_down(of_port(p)); }

static struct port *guest_free(struct port *p)
{
        switch_port_free(of_port(p));
        return NULL;
}

static const struct port_ops guest_port_ops = {
        .name = "switch",
        .send = guest_send,
        .start = guest_start,
        .stop = guest_stop,
        .free = guest_free,
        .send_flush = guest_send_flush,
        .ready = guest_ready,
};

/* An uplink's. What comes up from below comes in; what goes out is sent below. */

static int uplink_in(void *data, const struct frame *f)
{
        switch_input(data, f);
        return 0;
}

static void uplink_in_end(void *data) { switch_input_end(data); }

static void uplink_writable(void *data)
{
        struct switch_port *sp = data;

        sp->below_full = false;
        switch_drain(sp);
}

static int uplink_out(void *data, const struct frame *f)
{
        struct switch_port *sp = data;
        int r;

        if (sp->below_full)
                return -EAGAIN;
        r = sp->below->ops->send(sp->below, f);
        if (r == -EAGAIN)
                sp->below_full = true;
        return r;
}

static void uplink_out_flush(void *data)
{
        struct switch_port *sp = data;

        if (sp->below->ops->send_flush)
                sp->below->ops->send_flush(sp->below);
}

/* Both. */

static int port_new(struct switch_fabric *s, const struct switch_port_options *options, struct switch_port **ret)
{
        struct switch_port *sp;
        uint16_t index = 0;
        int r;

        if (options->vlan > SWITCH_VLAN_TRUNK)
                return -EINVAL;
        while (index < SWITCH_PORTS_MAX && s->ports[index])
                index++;
        if (index == SWITCH_PORTS_MAX)
                return -ENOSPC;

        sp = calloc(1, sizeof(*sp));
        if (!sp)
                return -ENOMEM;
        *sp = (struct switch_port) { .fabric = s, .index = index, .vlan = options->vlan };
        (void) snprintf(sp->name, sizeof(sp->name), "%s", options->name);
        ratelimit_init(&sp->flood, s->options.flood_per_second, switch_flood_burst(s->options.flood_per_second));
        r = backlog_init(&sp->backlog, SWITCH_PORTS_MAX, s->options.queue_frames, s->options.queue_bytes);
        if (r == 0 && options->mac && options->vlan != SWITCH_VLAN_TRUNK)
                r = fdb_fix(&s->fdb, fdb_key(options->mac, options->vlan), index);
        if (r < 0) {
                backlog_deinit(&sp->backlog);
                free(sp);
                return r;
        }
        s->ports[index] = sp;
        *ret = sp;
        return 0;
}

struct switch_port *switch_port_free(struct switch_port *sp)
{
        if (!sp)
                return NULL;
        if (sp->below)
                sp->below->ops->stop(sp->below);
        switch_port_down(sp);
        fdb_release(&sp->fabric->fdb, sp->index);
        sp->fabric->ports[sp->index] = NULL;
        sp->below = port_free(sp->below);
        backlog_deinit(&sp->backlog);
        free(sp);
        return NULL;
}

int switch_add_port(struct switch_fabric *s, const struct switch_port_options *options, struct port **ret)
{
        struct switch_port *sp;
        int r;

        r = port_new(s, options, &sp);
        if (r < 0)
                return r;
        sp->port.ops = &guest_port_ops;
        *ret = &sp->port;
        return 0;
}

int switch_add_uplink(struct switch_fabric *s, const struct switch_port_options *options, struct port *below)
{
        static const struct frame_offloads all = { .checksum = true, .tso4 = true, .tso6 = true, .ecn = true };
        struct switch_port *sp;
        int r;

        r = port_new(s, options, &sp);
        if (r < 0)
                return r;
        sp->below = below;
        sp->above = (struct port_owner) { .deliver = uplink_in, .flush = uplink_in_end, .writable = uplink_writable,
                                          .data = sp };
        sp->uplink_out = (struct port_owner) { .deliver = uplink_out, .flush = uplink_out_flush, .data = sp };
        sp->out = &sp->uplink_out;
        switch_port_up(sp, &all);
        below->owner = &sp->above;
        below->ops->start(below, &all);
        return 0;
}

static json_t *port_stats(const struct switch_port *sp)
{
        json_t *vlan = sp->vlan == SWITCH_VLAN_TRUNK ? json_string("trunk") : json_integer(sp->vlan);

        return json_pack(
                "{s:s, s:b, s:o, s:{s:I, s:I}, s:{s:I, s:I}, s:{s:i, s:i, s:I},"
                " s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}}",
                "port", sp->name, "up", sp->up, "vlan", vlan,
                "in", "frames", (json_int_t) sp->n_in_frames, "bytes", (json_int_t) sp->n_in_bytes,
                "out", "frames", (json_int_t) sp->n_out_frames, "bytes", (json_int_t) sp->n_out_bytes,
                "queue", "frames", (int) sp->backlog.n_frames, "bytes", (int) sp->backlog.n_bytes,
                "total", (json_int_t) sp->n_queued,
                "dropped", "vlan", (json_int_t) sp->n_drop_vlan, "source", (json_int_t) sp->n_drop_source,
                "local", (json_int_t) sp->n_drop_local, "flood", (json_int_t) sp->n_drop_flood,
                "bad", (json_int_t) sp->n_drop_bad, "full", (json_int_t) sp->n_drop_full,
                "size", (json_int_t) sp->n_drop_size, "down", (json_int_t) sp->n_drop_down);
}

json_t *switch_stats(const struct switch_fabric *s)
{
        json_t *ports = json_array();

        for (uint16_t i = 0; ports && i < SWITCH_PORTS_MAX; i++)
                if (s->ports[i] && json_array_append_new(ports, port_stats(s->ports[i])) < 0) {
                        json_decref(ports);
                        ports = NULL;
                }
        return ports;
}
