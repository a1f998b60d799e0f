/* SPDX-License-Identifier: MPL-2.0 */
#include "server/sound-control.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "audio/speakers.h"
#include "base/acceptor.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json-reader.h"
#include "base/macros.h"
#include "device/sound/sound.h"
#include "sandbox/sandbox.h"

#define BACKLOG 4
#define CLIENTS_MAX 8
#define LINE_MAX_BYTES 1024

struct client {
        struct sound_control *control; /* borrowed */
        int fd;                        /* owned; -1: free */
        struct watch watch;
        char line[LINE_MAX_BYTES];
        size_t n_line;
};

struct sound_control {
        const char *path;
        struct loop *loop; /* borrowed */
        int fd;            /* owned: listens */
        struct acceptor acceptor;
        struct client clients[CLIENTS_MAX];
        struct { const char *id; const struct device *dev; } *guests; /* owned */
        const struct speakers **speakers; /* owned, each borrowed */
        size_t n_guests, n_speakers;
};

static json_t *make_stats(const struct sound_control *c)
{
        json_t *guests = json_array(), *speakers = json_array();

        for (size_t i = 0; i < c->n_speakers; i++) {
                const struct speakers *s = c->speakers[i];
                struct speakers_stats stats;

                speakers_get_stats(s, &stats);
                (void) json_array_append_new(speakers,
                        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "name", speakers_name(s), "rate",
                                  (json_int_t) speakers_rate(s), "periodFrames", (json_int_t) speakers_period(s), "periods",
                                  (json_int_t) stats.n_periods, "missed", (json_int_t) stats.n_missed, "lateMaxNs",
                                  (json_int_t) stats.late_max_ns, "realtime", speakers_realtime(s)));
        }
        for (size_t i = 0; i < c->n_guests; i++) {
                struct sound_stats stats;

                sound_get_stats(c->guests[i].dev, &stats);
                (void) json_array_append_new(guests, json_pack("{s:s, s:I, s:I}", "id", c->guests[i].id, "running",
                                                               (json_int_t) stats.n_running, "xruns",
                                                               (json_int_t) stats.n_xruns));
        }
        return json_pack("{s:o, s:o}", "speakers", speakers, "guests", guests);
}

static json_t *answer_line(const struct sound_control *c, const char *line, size_t n)
{
        static const char *const members[] = { "stats", NULL };
        struct json_document document;
        struct json_node root;
        bool stats = false;
        json_t *answer;
        int r;

        r = document_parse(&document, "request", line, n, LINE_MAX_BYTES);
        if (r == 0) {
                root = document_root(&document);
                r = node_only_members(&root, members);
        }
        if (r == 0)
                r = node_get_bool(&root, "stats", &stats);
        answer = r < 0 ? json_pack("{s:s}", "error", document.error ? document.error : strerror(-r)) :
                 stats ? make_stats(c) :
                         json_pack("{s:s}", "error", "nothing was asked");
        document_deinit(&document);
        return answer;
}

static void close_client(struct client *client)
{
        watch_stop(&client->watch);
        fd_close(&client->fd);
}

static void handle_line(struct client *client, const char *line, size_t n)
{
        json_t *answer = answer_line(client->control, line, n);
        auto_cleanup(freep) char *text = answer ? json_dumps(answer, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
        size_t n_text = text ? strlen(text) : 0;

        json_decref(answer);
        if (!text)
                return;
        /* It fits a socket's buffer; one that does not read gets what it gets. */
        text[n_text] = '\n';
        (void) send(client->fd, text, n_text + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_readable(struct watch *w, uint32_t events)
{
        struct client *client = container_of(w, struct client, watch);
        ssize_t n = recv(client->fd, client->line + client->n_line, sizeof(client->line) - client->n_line, MSG_DONTWAIT);
        char *end;

        if (n < 0 && errno == EAGAIN)
                return;
        if (n <= 0) {
                close_client(client);
                return;
        }
        client->n_line += (size_t) n;
        while ((end = memchr(client->line, '\n', client->n_line))) {
                size_t n_line = (size_t) (end + 1 - client->line);

                handle_line(client, client->line, n_line - 1);
                client->n_line -= n_line;
                memmove(client->line, end + 1, client->n_line);
        }
        if (client->n_line == sizeof(client->line))
                close_client(client);
}

static void on_connection(struct acceptor *a, int connection_fd)
{
        struct sound_control *c = container_of(a, struct sound_control, acceptor);
        auto_cleanup(closep) int fd = connection_fd;

        for (size_t i = 0; fd >= 0 && i < CLIENTS_MAX; i++) {
                struct client *client = &c->clients[i];

                if (client->fd >= 0)
                        continue;
                if (watch_start(&client->watch, c->loop, fd, EPOLLIN, on_readable) < 0)
                        return;
                client->fd = take_fd(&fd);
                client->n_line = 0;
                return;
        }
}

int sound_control_new(struct loop *loop, const char *path, struct sound_control **ret)
{
        struct sound_control *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        /* Opens a random device, which the sandbox would not allow later. */
        json_object_seed(0);
        for (size_t i = 0; i < CLIENTS_MAX; i++)
                c->clients[i] = (struct client) { .control = c, .fd = -1 };
        c->path = path;
        c->loop = loop;
        c->fd = fd_unix_listen(path, BACKLOG);
        r = c->fd < 0 ? c->fd : acceptor_start(&c->acceptor, loop, c->fd, on_connection);
        if (r < 0) {
                sound_control_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

struct sound_control *sound_control_free(struct sound_control *c)
{
        if (!c)
                return NULL;
        acceptor_stop(&c->acceptor);
        for (size_t i = 0; i < CLIENTS_MAX; i++)
                if (c->clients[i].fd >= 0)
                        close_client(&c->clients[i]);
        if (c->fd >= 0)
                (void) unlink(c->path);
        closep(&c->fd);
        free(c->guests);
        free(c->speakers);
        free(c);
        return NULL;
}

int sound_control_add_guest(struct sound_control *c, const char *id, const struct device *dev)
{
        void *guests = realloc(c->guests, (c->n_guests + 1) * sizeof(*c->guests));

        if (!guests)
                return -ENOMEM;
        c->guests = guests;
        c->guests[c->n_guests].id = id;
        c->guests[c->n_guests++].dev = dev;
        return 0;
}

int sound_control_add_speakers(struct sound_control *c, const struct speakers *s)
{
        const struct speakers **speakers = realloc(c->speakers, (c->n_speakers + 1) * sizeof(*speakers));

        if (!speakers)
                return -ENOMEM;
        c->speakers = speakers;
        c->speakers[c->n_speakers++] = s;
        return 0;
}

int sound_control_sandbox(const struct sound_control *c, struct sandbox *sandbox)
{
        static const struct sandbox_call calls[] = { SANDBOX_CALL("unlink"), SANDBOX_CALL("unlinkat"), { .name = NULL } };
        char path[PATH_MAX];
        int r;

        (void) snprintf(path, sizeof(path), "%s", c->path);
        r = sandbox_allow_path(sandbox, dirname(path), SANDBOX_REMOVE);
        return r < 0 ? r : sandbox_allow_calls(sandbox, calls);
}
