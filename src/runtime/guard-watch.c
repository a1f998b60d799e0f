/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/guard-watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "runtime/report.h"

#define RETRY_NS (500 * NSEC_PER_MSEC)
/* A guest can make its own guards flap. */
#define LOG_PER_SECOND 5
#define LOG_BURST 100
#define SUBJECT "guard"

static const char request[] = "{\"watch\":true}\n";

static void try_connect(struct guard_watch *w);

static struct guard_state *find(struct guard_watch *w, const char *display, const char *name)
{
        struct guard_state *g;

        for (size_t i = 0; i < w->n_guards; i++)
                if (strcmp(w->guards[i].display, display) == 0 && strcmp(w->guards[i].name, name) == 0)
                        return &w->guards[i];
        if (!w->guards)
                w->guards = calloc(GUARD_WATCH_MAX, sizeof(*w->guards));
        if (!w->guards || w->n_guards == GUARD_WATCH_MAX || !name_is_valid(display) || !name_is_valid(name))
                return NULL;
        g = &w->guards[w->n_guards++];
        (void) snprintf(g->display, sizeof(g->display), "%s", display);
        (void) snprintf(g->name, sizeof(g->name), "%s", name);
        return g;
}

static void log_change(struct guard_watch *w, const struct guard_state *g)
{
        if (!ratelimit_take(&w->log_limit, 1, clock_now_ns()))
                return;
        if (w->log_limit.n_suppressed > 0)
                log_collector_line(w->log, SUBJECT, "%llu lines were left out",
                                   (unsigned long long) w->log_limit.n_suppressed);
        w->log_limit.n_suppressed = 0;
        if (g->is_violated)
                log_collector_line(w->log, SUBJECT, "display %s: guard %s is violated, its region is covered",
                                   g->display, g->name);
        else
                log_collector_line(w->log, SUBJECT, "display %s: guard %s holds again", g->display, g->name);
}

static void take_event(struct guard_watch *w, const json_t *event)
{
        bool is_violated = json_is_true(json_object_get(event, "violated"));
        struct guard_state *g;

        if (strcmp(report_text(event, "event"), "guard") != 0)
                return;
        g = find(w, report_text(event, "display"), report_text(event, "guard"));
        if (!g || g->is_violated == is_violated)
                return;
        g->is_violated = is_violated;
        g->n_violations += is_violated;
        g->time_ns = (uint64_t) json_integer_value(json_object_get(event, "timeNs"));
        log_change(w, g);
        w->changed(g, w->data);
}

/* Whole lines; one that is too long is not ours. */
static int take_lines(struct guard_watch *w)
{
        char *begin = w->line, *end;

        while ((end = memchr(begin, '\n', w->used - (size_t) (begin - w->line)))) {
                json_t *event = json_loadb(begin, (size_t) (end - begin), JSON_REJECT_DUPLICATES, NULL);

                take_event(w, event);
                json_decref(event);
                begin = end + 1;
        }
        w->used -= (size_t) (begin - w->line);
        memmove(w->line, begin, w->used);
        return w->used < sizeof(w->line) ? 0 : -EMSGSIZE;
}

static void disconnect(struct guard_watch *w)
{
        watch_stop(&w->watch);
        fd_close(&w->fd);
        w->used = 0;
}

static void on_retry(struct timer *t) { try_connect(container_of(t, struct guard_watch, retry)); }

static void try_later(struct guard_watch *w)
{
        timer_start(&w->retry, w->loop, clock_now_ns() + RETRY_NS, on_retry);
}

/* One read a wake-up: the rest is still there at the next. */
static void on_socket(struct watch *watch, uint32_t events)
{
        struct guard_watch *w = container_of(watch, struct guard_watch, watch);
        ssize_t n = recv(w->fd, w->line + w->used, sizeof(w->line) - w->used, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n > 0)
                w->used += (size_t) n;
        if (n > 0 && take_lines(w) == 0)
                return;
        disconnect(w);
        try_later(w);
}

static void try_connect(struct guard_watch *w)
{
        auto_cleanup(closep) int fd = fd_unix_connect_nonblock(w->path);

        if (fd < 0 || send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t) sizeof(request) - 1 ||
            watch_start(&w->watch, w->loop, fd, EPOLLIN, on_socket) < 0) {
                try_later(w);
                return;
        }
        w->fd = take_fd(&fd);
}

void guard_watch_start(struct guard_watch *w, struct loop *loop, struct log_collector *log, const char *path,
                       void (*changed)(const struct guard_state *g, void *data), void *data)
{
        guard_watch_stop(w);
        w->loop = loop;
        w->log = log;
        w->path = path;
        w->changed = changed;
        w->data = data;
        w->fd = -1;
        ratelimit_init(&w->log_limit, LOG_PER_SECOND, LOG_BURST);
        try_connect(w);
}

void guard_watch_stop(struct guard_watch *w)
{
        if (!w->loop)
                return;
        timer_stop(&w->retry);
        disconnect(w);
        free(w->guards);
        w->guards = NULL;
        w->n_guards = 0;
        w->loop = NULL;
}

json_t *guard_watch_to_json(const struct guard_watch *w)
{
        json_t *all = json_array();

        for (size_t i = 0; i < w->n_guards; i++) {
                const struct guard_state *g = &w->guards[i];

                (void) json_array_append_new(all, json_pack("{ss, ss, sb, sI}", "display", g->display, "guard", g->name,
                                                            "violated", (int) g->is_violated, "violations",
                                                            (json_int_t) g->n_violations));
        }
        return all;
}
