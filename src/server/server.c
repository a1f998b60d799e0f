/* SPDX-License-Identifier: MPL-2.0 */
#include "server/server.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/reaper.h"
#include "base/worker.h"
#include "server/arguments.h"
#include "server/guest.h"
#include "server/notify.h"
#include "virtio/device.h"

/* Descriptors: a guest's connection has up to 64 memory regions and three eventfds for each of its queues. */
#define FILES_BASE 1024
#define FILES_PER_GUEST 512

struct server {
        const struct server_type *type;          /* borrowed */
        const struct server_arguments *arguments; /* borrowed */
        struct loop *loop;       /* owned */
        struct guest *guests;    /* owned */
        size_t n_guests;         /* that were begun with */
        struct worker **workers; /* owned, each owned */
        size_t n_workers;
        struct notify notify;
        int signal_fd;           /* owned: SIGTERM, SIGINT */
        struct watch signal_watch;
        void *data;              /* the type's */
        bool opened;             /* the type's close() is due */
        const char *current_id;  /* guest that is being made; NULL: none */
        bool error_logged;
};

struct loop *server_loop(const struct server *server) { return server->loop; }
const struct settings *server_settings(const struct server *server) { return server->arguments->server; }
void *server_data(const struct server *server) { return server->data; }
void server_set_data(struct server *server, void *data) { server->data = data; }

int server_error(struct server *server, int error, const char *format, ...)
{
        char text[512];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (server->current_id)
                log_error(server->type->name, "guest %s: %s", server->current_id, text);
        else
                log_error(server->type->name, "%s", text);
        server->error_logged = true;
        return error;
}

/* For callers of the type's functions: an error is logged once, by whoever knows most of it. */
static int report(struct server *server, int r, const char *what)
{
        if (r < 0 && !server->error_logged)
                (void) server_error(server, r, "%s: %s", what, strerror(-r));
        return r;
}

static void on_signal(struct watch *w, uint32_t events)
{
        struct server *server = container_of(w, struct server, signal_watch);
        struct signalfd_siginfo info;

        if (read(w->fd, &info, sizeof(info)) != sizeof(info))
                return;
        log_info(server->type->name, "ends by SIG%s", sigabbrev_np((int) info.ssi_signo));
        loop_quit(server->loop, 0);
}

static int watch_signals(struct server *server)
{
        sigset_t set;

        (void) signal(SIGPIPE, SIG_IGN);
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        server->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (server->signal_fd < 0)
                return -errno;
        return watch_start(&server->signal_watch, server->loop, server->signal_fd, EPOLLIN, on_signal);
}

static int open_guest(struct server *server, const struct guest_arguments *arguments)
{
        struct guest *g = &server->guests[server->n_guests++];
        const char *off = settings_string(arguments->settings, "features-off");
        uint64_t masked = 0;
        char error[256];
        int r;

        *g = (struct guest) { .id = arguments->id, .settings = arguments->settings, .loop = server->loop,
                              .listen_fd = -1, .given_fd = -1 };
        server->current_id = g->id;
        r = server->type->guest_new(server, arguments->settings, g->id, &g->device);
        if (r < 0)
                return report(server, r, "device");
        if (off && features_from_string(server->type, off, &masked, error, sizeof(error)) == 0)
                g->device->masked = masked;
        if (server->type->connection)
                g->connection_ops = server->type->connection(arguments->settings);
        r = guest_open_socket(g, error, sizeof(error));
        if (r < 0)
                return server_error(server, r, "%s", error);
        server->current_id = NULL;
        return 0;
}

static int open_all(struct server *server)
{
        const struct server_arguments *a = server->arguments;
        int r = 0, ready_fd = -1;

        if (settings_given(a->server, "ready-fd"))
                ready_fd = (int) settings_number(a->server, "ready-fd");
        r = notify_open(&server->notify, ready_fd);
        if (r < 0)
                return report(server, r, r == -EBADF ? "--ready-fd" : "NOTIFY_SOCKET");
        r = watch_signals(server);
        if (r < 0)
                return report(server, r, "signals");
        if (server->type->open) {
                server->opened = true;
                r = server->type->open(server, a->server);
                if (r < 0)
                        return report(server, r, "open");
        }
        server->guests = calloc(a->n_guests, sizeof(*server->guests));
        if (!server->guests)
                return report(server, -ENOMEM, "guests");
        for (size_t i = 0; i < a->n_guests && r == 0; i++)
                r = open_guest(server, &a->guests[i]);
        return r;
}

/* A socket that was made here is removed at the end, which is all that may be done in its folder. */
static int allow_sockets_removal(struct server *server, struct sandbox *sandbox)
{
        int r = 0;

        for (size_t i = 0; i < server->n_guests && r == 0; i++)
                if (server->guests[i].bound)
                        r = sandbox_allow_removal(sandbox, server->guests[i].socket_path);
        return r;
}

static int fill_sandbox(struct server *server, struct sandbox *sandbox)
{
        int r = 0;

        if (server->type->system_calls)
                r = sandbox_allow_calls(sandbox, server->type->system_calls);
        if (r == 0)
                r = allow_sockets_removal(server, sandbox);
        if (r == 0 && server->type->sandbox)
                r = server->type->sandbox(server, sandbox);
        return r;
}

static size_t count_workers(const struct server *server)
{
        if (server->type->guest_threads)
                return server->n_guests;
        return server->type->queue_threads ? settings_number(server->arguments->server, "queue-threads") : 0;
}

/* Spreads the queues of all guests over the workers, round about, or gives each guest one. */
static int start_workers(struct server *server)
{
        size_t n = count_workers(server), next = 0;

        if (n == 0)
                return 0;
        server->workers = calloc(n, sizeof(*server->workers));
        if (!server->workers)
                return -ENOMEM;
        for (; server->n_workers < n; server->n_workers++) {
                char name[16];
                int r;

                (void) snprintf(name, sizeof(name), "%s-%zu", server->type->guest_threads ? "guest" : "queues",
                                server->n_workers % 1000);
                r = worker_new(name, &server->workers[server->n_workers]);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < server->n_guests; i++)
                for (uint16_t q = 0; q < server->guests[i].device->n_queues; q++)
                        device_set_queue_loop(
                                server->guests[i].device, q,
                                worker_loop(server->workers[server->type->guest_threads ? i : next++ % n]));
        return 0;
}

static int lock_down(struct server *server)
{
        bool locked = !settings_bool(server->arguments->server, "no-sandbox");
        struct sandbox sandbox;
        int r = 0;

        sandbox_init(&sandbox, server->type->name);
        sandbox.n_files_max = FILES_BASE + FILES_PER_GUEST * server->n_guests;
        if (locked)
                r = fill_sandbox(server, &sandbox);
        locked = locked && !sandbox.off;
        if (r == 0 && locked)
                r = sandbox_enter(&sandbox);
        if (r == 0 && !locked)
                log_warning(server->type->name, "runs without a sandbox");
        if (r == 0)
                r = reaper_start(); /* a guest's end is nothing that screens and other guests wait for */
        if (r == 0)
                r = server->type->start_threads ? server->type->start_threads(server) : 0;
        if (r == 0)
                r = start_workers(server);
        if (r == 0 && server->type->start_last_threads)
                r = server->type->start_last_threads(server);
        if (r == 0 && locked)
                r = sandbox_filter_calls(&sandbox);
        sandbox_deinit(&sandbox);
        return report(server, r, "lock-down");
}

/* With connected descriptors only, nobody can come any more once all are gone. */
static void on_guest_finished(struct guest *finished)
{
        struct server *server = finished->data;

        for (size_t i = 0; i < server->n_guests; i++)
                if (!server->guests[i].finished)
                        return;
        loop_quit(server->loop, 0);
}

static int serve(struct server *server)
{
        int r = 0;

        for (size_t i = 0; i < server->n_guests && r == 0; i++)
                r = guest_start(&server->guests[i], on_guest_finished, server);
        if (r < 0)
                return report(server, r, "connections");
        (void) malloc_trim(0);
        notify_ready(&server->notify);
        r = loop_run(server->loop);
        notify_stopping(&server->notify);
        return report(server, r, "loop");
}

static void close_all(struct server *server)
{
        for (size_t i = 0; i < server->n_guests; i++)
                guest_close(&server->guests[i]);
        for (size_t i = 0; i < server->n_workers; i++)
                worker_free(server->workers[i]);
        if (server->opened && server->type->close)
                server->type->close(server);
        reaper_stop();
        watch_stop(&server->signal_watch);
        fd_close(&server->signal_fd);
        notify_close(&server->notify);
        loop_free(server->loop);
        free(server->workers);
        free(server->guests);
}

static int run(const struct server_type *type, const struct server_arguments *arguments)
{
        struct server server = { .type = type, .arguments = arguments, .signal_fd = -1,
                                 .notify = { .socket_fd = -1, .ready_fd = -1 } };
        int r;

        r = loop_new(&server.loop);
        if (r < 0)
                return report(&server, r, "loop");
        r = open_all(&server);
        if (r == 0)
                r = lock_down(&server);
        if (r == 0)
                r = serve(&server);
        close_all(&server);
        return r;
}

const struct server_type *server_type_find(const char *name)
{
        for (size_t i = 0; server_types[i]; i++)
                if (strcmp(server_types[i]->name, name) == 0)
                        return server_types[i];
        return NULL;
}

int server_main(const struct server_type *type, char *const *words, size_t n_words)
{
        auto_cleanup(server_arguments_freep) struct server_arguments *arguments = NULL;
        enum log_level level;
        int r;

        /* One heap for all threads: it costs little here and keeps a server small. */
        (void) mallopt(M_ARENA_MAX, 1);
        r = server_arguments_new(type, words, n_words, &arguments);
        if (r < 0)
                return r == -EINVAL ? 2 : 1;
        if (arguments->help) {
                server_print_help(type);
                return 0;
        }
        if (arguments->print_capabilities)
                return server_print_capabilities(type) < 0;
        if (settings_given(arguments->server, "log-level")) {
                r = log_level_from_string(settings_string(arguments->server, "log-level"), &level);
                assert(r == 0);
                log_set_level(level);
        }
        return run(type, arguments) < 0;
}
