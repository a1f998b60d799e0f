/* SPDX-License-Identifier: MPL-2.0 */
#include "server/net-control.h"

#include <errno.h>
#include <stdlib.h>

#include "backend/switch.h"
#include "base/macros.h"
#include "device/net.h"
#include "server/stats-control.h"

struct net_control {
        struct stats_control socket;
        const struct switch_fabric *fabric;
        struct { const char *id; const struct device *dev; } *guests; /* owned */
        size_t n_guests;
};

static json_t *guest_json(const char *id, const struct device *dev)
{
        const struct net_counters *c = net_get_counters(dev);

        return json_pack("{s:s, s:b, s:{s:I, s:I, s:I, s:I}, s:{s:I, s:I, s:I, s:I}}",
                         "id", id, "link", net_get_link(dev),
                         "sent", "frames", (json_int_t) c->n_tx_frames, "bytes", (json_int_t) c->n_tx_bytes,
                         "bad", (json_int_t) c->n_tx_bad, "dropped", (json_int_t) c->n_tx_dropped,
                         "received", "frames", (json_int_t) c->n_rx_frames, "bytes", (json_int_t) c->n_rx_bytes,
                         "filtered", (json_int_t) c->n_rx_filtered, "too-long", (json_int_t) c->n_rx_too_long);
}

/* NULL: no memory. */
static json_t *make_stats(const struct stats_control *socket)
{
        const struct net_control *c = container_of(socket, struct net_control, socket);
        json_t *guests = json_array(), *root;

        for (size_t i = 0; guests && i < c->n_guests; i++)
                (void) json_array_append_new(guests, guest_json(c->guests[i].id, c->guests[i].dev));
        root = json_pack("{s:o}", "guests", guests);
        if (root && c->fabric)
                (void) json_object_set_new(root, "ports", switch_stats(c->fabric));
        return root;
}

int net_control_new(struct loop *loop, const char *path, const struct switch_fabric *fabric, struct net_control **ret)
{
        struct net_control *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->fabric = fabric;
        r = stats_control_open(&c->socket, loop, path, make_stats);
        if (r < 0) {
                free(c);
                return r;
        }
        *ret = c;
        return 0;
}

struct net_control *net_control_free(struct net_control *c)
{
        if (!c)
                return NULL;
        stats_control_close(&c->socket);
        free(c->guests);
        free(c);
        return NULL;
}

int net_control_add(struct net_control *c, const char *id, const struct device *dev)
{
        void *guests = realloc(c->guests, (c->n_guests + 1) * sizeof(*c->guests));

        if (!guests)
                return -ENOMEM;
        c->guests = guests;
        c->guests[c->n_guests].id = id;
        c->guests[c->n_guests++].dev = dev;
        return 0;
}

int net_control_sandbox(const struct net_control *c, struct sandbox *sandbox)
{
        return stats_control_sandbox(&c->socket, sandbox);
}
