/* SPDX-License-Identifier: MPL-2.0 */
#include "platform/monitor-client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"

/* CONTROL_PACKET_MAX of the monitor. */
#define PACKET_MAX 4096
#define PACKETS_BUDGET 16 /* of one wake-up */

struct monitor_client {
        int fd; /* owned; -1: closed */
        struct watch watch;
        struct monitor_client_handlers handlers;
        void *data;
};

static void close_connection(struct monitor_client *c, const char *broken)
{
        watch_stop(&c->watch);
        fd_close(&c->fd);
        c->handlers.closed(broken, c->data);
}

static const char *text_of(const json_t *message, const char *member)
{
        return json_string_value(json_object_get(message, member)) ?: "";
}

/* Return: false if it is no event. */
static bool handle_event(struct monitor_client *c, const json_t *message)
{
        const char *event = text_of(message, "event");

        if (strcmp(event, "ready") == 0)
                c->handlers.ready(c->data);
        else if (strcmp(event, "running") == 0)
                c->handlers.running(true, c->data);
        else if (strcmp(event, "paused") == 0)
                c->handlers.running(false, c->data);
        else if (strcmp(event, "ended") == 0)
                c->handlers.ended(text_of(message, "how"), text_of(message, "text"), c->data);
        else if (strcmp(event, "error") == 0)
                c->handlers.error(text_of(message, "text"), c->data);
        else
                return false;
        return true;
}

/* Return: false if there is nothing more to take now. */
static bool take_packet(struct monitor_client *c)
{
        char packet[PACKET_MAX + 1];
        ssize_t n = c->fd < 0 ? -1 : recv(c->fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);
        json_t *message;
        bool is_event;

        if (c->fd < 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
                return false;
        if (n <= 0) {
                close_connection(c, NULL);
                return false;
        }
        message = n <= PACKET_MAX ? json_loadb(packet, (size_t) n, 0, NULL) : NULL;
        is_event = message && handle_event(c, message);
        json_decref(message);
        if (!is_event)
                close_connection(c, "the monitor sent what is no event");
        return is_event;
}

static void on_readable(struct watch *w, uint32_t events)
{
        struct monitor_client *c = container_of(w, struct monitor_client, watch);

        for (int i = 0; i < PACKETS_BUDGET && take_packet(c); i++)
                ;
}

int monitor_client_new(struct loop *loop, int fd, const struct monitor_client_handlers *handlers, void *data,
                       struct monitor_client **ret)
{
        auto_cleanup(closep) int owned = fd;
        auto_cleanup(freep) struct monitor_client *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        *c = (struct monitor_client){ .fd = fd, .handlers = *handlers, .data = data };
        r = watch_start(&c->watch, loop, fd, EPOLLIN, on_readable);
        if (r < 0)
                return r;
        (void) take_fd(&owned);
        *ret = take_ptr(&c);
        return 0;
}

void monitor_client_drain(struct monitor_client *c)
{
        for (int i = 0; c && i < PACKETS_BUDGET && take_packet(c); i++)
                ;
}

struct monitor_client *monitor_client_free(struct monitor_client *c)
{
        if (!c)
                return NULL;
        watch_stop(&c->watch);
        fd_close(&c->fd);
        free(c);
        return NULL;
}

int monitor_client_ask(struct monitor_client *c, const char *what)
{
        char packet[64];
        int n = snprintf(packet, sizeof(packet), "{\"do\":\"%s\"}", what);

        if (!c || c->fd < 0)
                return -ENOTCONN;
        return send(c->fd, packet, (size_t) n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
