/* SPDX-License-Identifier: MPL-2.0 */
#include "server/net-stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "backend/switch.h"
#include "base/acceptor.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "device/net.h"
#include "sandbox/sandbox.h"

#define BACKLOG 4

struct net_stats {
        const char *path;
        const struct switch_fabric *fabric;
        int fd; /* owned: listens */
        struct acceptor acceptor;
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

static char *stats_text(const struct net_stats *s)
{
        json_t *guests = json_array(), *root;
        char *text = NULL;

        for (size_t i = 0; guests && i < s->n_guests; i++)
                (void) json_array_append_new(guests, guest_json(s->guests[i].id, s->guests[i].dev));
        root = json_pack("{s:o}", "guests", guests);
        if (root && s->fabric)
                (void) json_object_set_new(root, "ports", switch_stats(s->fabric));
        if (root)
                text = json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        json_decref(root);
        return text;
}

static void on_connection(struct acceptor *a, int connection_fd)
{
        struct net_stats *s = container_of(a, struct net_stats, acceptor);
        auto_cleanup(closep) int fd = connection_fd;
        auto_cleanup(freep) char *text = NULL;

        if (fd < 0)
                return;
        text = stats_text(s);
        /* It fits a socket's buffer; one that does not read gets what it gets. */
        if (text && send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
                (void) send(fd, "\n", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int net_stats_new(struct loop *loop, const char *path, const struct switch_fabric *fabric, struct net_stats **ret)
{
        struct net_stats *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        /* Opens a random device, which the sandbox would not allow later. */
        json_object_seed(0);
        *s = (struct net_stats) { .path = path, .fabric = fabric, .fd = fd_unix_listen(path, BACKLOG) };
        r = s->fd < 0 ? s->fd : acceptor_start(&s->acceptor, loop, s->fd, on_connection);
        if (r < 0) {
                net_stats_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

struct net_stats *net_stats_free(struct net_stats *s)
{
        if (!s)
                return NULL;
        acceptor_stop(&s->acceptor);
        if (s->fd >= 0)
                (void) unlink(s->path);
        closep(&s->fd);
        free(s->guests);
        free(s);
        return NULL;
}

int net_stats_add(struct net_stats *s, const char *id, const struct device *dev)
{
        void *guests = realloc(s->guests, (s->n_guests + 1) * sizeof(*s->guests));

        if (!guests)
                return -ENOMEM;
        s->guests = guests;
        s->guests[s->n_guests].id = id;
        s->guests[s->n_guests++].dev = dev;
        return 0;
}

int net_stats_sandbox(const struct net_stats *s, struct sandbox *sandbox)
{
        return sandbox_allow_removal(sandbox, s->path);
}
