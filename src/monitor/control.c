/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/life.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"

struct control {
        struct monitor *monitor; /* borrowed */
        int fd;                  /* owned */
        struct watch watch;
};

/* Takes @packet. What does not fit the socket is lost: a peer that never reads holds up nobody. */
static void send_packet(struct control *c, json_t *packet)
{
        char text[CONTROL_PACKET_MAX];
        size_t n = packet ? json_dumpb(packet, text, sizeof(text), JSON_COMPACT) : 0;

        if (n > 0 && n <= sizeof(text))
                (void) send(c->fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        json_decref(packet);
}

static void send_error(struct control *c, const char *format, const char *word)
{
        char text[256];

        (void) snprintf(text, sizeof(text), format, word);
        send_packet(c, json_pack("{ss, ss}", "event", "error", "text", text));
}

static void power_down(struct control *c)
{
        int r = life_power_down(c->monitor);

        if (r == -EAGAIN)
                send_error(c, "power-down: the machine is %s", "paused");
        else if (r < 0)
                send_error(c, "power-down: %s",
                           r == -ENOTSUP ? "the guest has no driver of a power button" : strerror(-r));
}

static void do_request(struct control *c, const char *what)
{
        struct monitor *m = c->monitor;

        if (strcmp(what, "resume") == 0) {
                life_resume(m);
                control_send_event(c, "running");
        } else if (strcmp(what, "pause") == 0) {
                life_pause(m);
                control_send_event(c, "paused");
        } else if (strcmp(what, "power-down") == 0) {
                power_down(c);
        } else if (strcmp(what, "reset") == 0) {
                monitor_end(m, MONITOR_RESET, "by request");
        } else if (strcmp(what, "stop") == 0) {
                monitor_end(m, MONITOR_STOPPED, "by request");
        } else {
                send_error(c, "no such request: expected %s", "resume, pause, power-down, reset or stop");
        }
}

static void on_packet(struct watch *w, uint32_t events)
{
        struct control *c = container_of(w, struct control, watch);
        char text[CONTROL_PACKET_MAX];
        json_t *packet;
        const char *what;
        ssize_t n;

        n = recv(c->fd, text, sizeof(text), MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        /* An empty packet reads as the end does; only the end hangs up. */
        if (n < 0 || (n == 0 && (events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)))) {
                watch_stop(&c->watch);
                monitor_end(c->monitor, MONITOR_STOPPED, "who started it closed its control socket");
                return;
        }
        packet = (size_t) n <= sizeof(text) ? json_loadb(text, (size_t) n, JSON_REJECT_DUPLICATES, NULL) : NULL;
        what = json_string_value(json_object_get(packet, "do"));
        if (what && json_object_size(packet) == 1)
                do_request(c, what);
        else
                send_error(c, "a request is %s",
                           "{\"do\": \"resume\" | \"pause\" | \"power-down\" | \"reset\" | \"stop\"}");
        json_decref(packet);
}

int control_new(struct monitor *m, int fd, struct control **ret)
{
        struct control *c;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c) {
                closep(&fd);
                return -ENOMEM;
        }
        c->monitor = m;
        c->fd = fd;
        json_object_seed(0); /* reads a file, which cannot be opened later */
        r = fd_set_cloexec(fd, 1);
        if (r == 0)
                r = watch_start(&c->watch, m->loop, fd, EPOLLIN | EPOLLRDHUP, on_packet);
        if (r < 0) {
                control_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

struct control *control_free(struct control *c)
{
        if (!c)
                return NULL;
        watch_stop(&c->watch);
        closep(&c->fd);
        free(c);
        return NULL;
}

void control_send_event(struct control *c, const char *event)
{
        if (c)
                send_packet(c, json_pack("{ss}", "event", event));
}

void control_send_ended(struct control *c, enum monitor_end how, const char *text)
{
        json_t *packet;

        if (!c)
                return;
        packet = json_pack("{ss, ss}", "event", "ended", "how", monitor_end_name(how));
        /* A text that is no UTF-8 is left out. */
        if (packet && text && text[0])
                (void) json_object_set_new(packet, "text", json_string(text));
        send_packet(c, packet);
}
