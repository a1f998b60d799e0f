/* SPDX-License-Identifier: MPL-2.0 */
#include "server/net-control.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend/switch.h"
#include "base/control.h"
#include "base/macros.h"
#include "device/net.h"
#include "sandbox/sandbox.h"

struct net_control {
        struct control control;
        const char *path;
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
static json_t *make_stats(const struct net_control *c)
{
        json_t *guests = json_array(), *root;

        for (size_t i = 0; guests && i < c->n_guests; i++)
                (void) json_array_append_new(guests, guest_json(c->guests[i].id, c->guests[i].dev));
        root = json_pack("{s:o}", "guests", guests);
        if (root && c->fabric)
                (void) json_object_set_new(root, "ports", switch_stats(c->fabric));
        return root;
}

static void on_request(struct control_client *client, const json_t *request)
{
        json_t *stats;

        if (json_object_size(request) != 1 || !json_is_true(json_object_get(request, "stats"))) {
                control_fail(client, "expected {\"stats\": true}");
                return;
        }
        stats = make_stats(container_of(client->control, struct net_control, control));
        if (stats)
                control_answer(client, stats);
        else
                control_fail(client, "out of memory");
}

static const struct control_ops control_ops = { .request = on_request };

int net_control_new(struct loop *loop, const char *path, const struct switch_fabric *fabric, struct net_control **ret)
{
        struct net_control *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        /* Opens a random device, which the sandbox would not allow later. */
        json_object_seed(0);
        c->path = path;
        c->fabric = fabric;
        r = control_open(&c->control, loop, path, &control_ops);
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
        (void) unlink(c->path);
        control_close(&c->control);
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
        return sandbox_allow_removal(sandbox, c->path);
}
