/* SPDX-License-Identifier: MPL-2.0 */
/* busbar logs: what supervisor, servers and monitor of a machine (or a system's switches) said. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/access.h"
#include "cli/log-sources.h"
#include "runtime/store.h"

static const struct command_option options[] = {
        { .name = "follow", .letter = 'f', .help = "go on printing what is added until the machine ends" },
        { .name = "server", .argument = "NAME", .help = "only lines of this server (\"alpha.root\", or \"root\")" },
        { .name = "console", .letter = 'c', .help = "the first console's log instead" },
        { .name = NULL },
};

struct reading {
        const char *path;
        const char *id, *server; /* server: NULL for all */
        int fd;                  /* owned */
        char line[65536];
        size_t used;
};

static bool is_wanted(const struct reading *r, const char *line, size_t n)
{
        const char *source;
        size_t n_source;

        if (!r->server)
                return true;
        source = log_line_source(line, n, &n_source);
        return source && log_source_is(source, n_source, r->id, r->server);
}

static void print_lines(struct reading *r, bool at_end)
{
        char *from = r->line, *end;

        while ((end = memchr(from, '\n', r->used - (size_t) (from - r->line)))) {
                if (is_wanted(r, from, (size_t) (end - from)))
                        (void) fwrite(from, 1, (size_t) (end - from) + 1, stdout);
                from = end + 1;
        }
        r->used -= (size_t) (from - r->line);
        memmove(r->line, from, r->used);
        /* A line longer than the buffer, or a console's text without a line's end. */
        if (r->used == sizeof(r->line) || (at_end && !r->server)) {
                (void) fwrite(r->line, 1, r->used, stdout);
                r->used = 0;
        }
}

/* Prints what is there. */
static void read_on(struct reading *r)
{
        ssize_t n;

        while (r->fd >= 0 && (n = read(r->fd, r->line + r->used, sizeof(r->line) - r->used)) > 0) {
                r->used += (size_t) n;
                print_lines(r, false);
        }
        print_lines(r, true);
        (void) fflush(stdout);
}

static void reopen(struct reading *r)
{
        fd_close(&r->fd);
        r->fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/* The file of that name is another one since it was rotated. */
static bool is_rotated(const struct reading *r)
{
        struct stat now, ours;

        return stat(r->path, &now) == 0 && (r->fd < 0 || fstat(r->fd, &ours) < 0 || now.st_ino != ours.st_ino);
}

static int follow(struct reading *r, const char *folder)
{
        auto_cleanup(closep) int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        char events[4096] __attribute__((aligned(8)));
        bool is_alive = true;

        if (fd < 0 || inotify_add_watch(fd, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF) < 0)
                return -errno;
        while (is_alive) {
                struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

                is_alive = run_dir_in_use(folder);
                read_on(r);
                if (is_rotated(r)) {
                        reopen(r);
                        read_on(r);
                }
                /* The release of the folder's lock is no event. */
                if (is_alive && poll(&poll_fd, 1, 500) < 0 && errno != EINTR)
                        return -errno;
                while (read(fd, events, sizeof(events)) > 0)
                        ;
        }
        return 0;
}

/* The servers of a system are known by its machines. */
static void add_system_servers(struct log_sources *sources, const char *root, const char *name)
{
        struct store_list list;

        if (store_list(root, &list) < 0)
                return;
        for (size_t i = 0; i < list.n_machines; i++)
                if (list.machines[i].system && strcmp(list.machines[i].system, name) == 0)
                        log_sources_add_machine(sources, &list.machines[i], false);
        store_list_deinit(&list);
}

/* Who has not said a word yet is known all the same. Return: false after an error was logged. */
static bool check_server(const struct invocation *inv, const char *root, const struct machine_state *state,
                         const char *path)
{
        auto_cleanup(log_sources_deinit) struct log_sources sources = { .n = 0 };
        const char *id = inv->operands[0], *server = invocation_value(inv, "server");
        auto_cleanup(freep) char *old = NULL;
        auto_cleanup(freep) char *text = NULL;

        if (!server || invocation_has(inv, "console"))
                return true;
        if (asprintf(&old, "%s.1", path) < 0) {
                old = NULL;
                return false;
        }
        log_sources_add_file(&sources, old);
        log_sources_add_file(&sources, path);
        if (state->id)
                log_sources_add_machine(&sources, state, true);
        else
                add_system_servers(&sources, root, id);
        if (log_sources_have(&sources, id, server))
                return true;
        text = log_sources_text(&sources);
        log_error(id, "nobody called '%s' writes to its log; there are: %s", server, text && *text ? text : "none");
        return false;
}

static int print_log(const struct invocation *inv, const char *folder, const char *path)
{
        struct reading r = {
                .id = inv->operands[0],
                .server = invocation_value(inv, "server"),
                .fd = -1,
        };
        auto_cleanup(freep) char *old = NULL;
        int result = 0;

        if (asprintf(&old, "%s.1", path) < 0)
                return -ENOMEM;
        r.path = old;
        reopen(&r);
        read_on(&r);
        r.path = path;
        reopen(&r);
        if (r.fd < 0 && !invocation_has(inv, "follow"))
                return -errno;
        if (invocation_has(inv, "follow"))
                result = follow(&r, folder);
        else
                read_on(&r);
        fd_close(&r.fd);
        return result;
}

static char *console_path(const struct machine_state *state, const char *id)
{
        for (size_t i = 0; i < state->n_consoles; i++)
                if (state->consoles[i].log_path)
                        return strdup(state->consoles[i].log_path);
        log_error(id, "it has no console with a log");
        return NULL;
}

/* A system's own log is there as long as it is up. Return: its folder, or NULL. */
static char *system_folder(const char *root, const char *name)
{
        char *path = NULL;

        if (!run_name_valid(name) || asprintf(&path, "%s/@%s", root, name) < 0)
                return NULL;
        if (run_dir_in_use(path))
                return path;
        free(path);
        return NULL;
}

static int logs_run(const struct invocation *inv)
{
        auto_cleanup(machine_state_deinit) struct machine_state state;
        auto_cleanup(freep) char *root = access_root(inv);
        auto_cleanup(freep) char *folder = NULL;
        auto_cleanup(freep) char *path = NULL;
        const char *id = inv->operands[0];
        int r;

        machine_state_init(&state);
        if (!root)
                return STATUS_FAILED;
        r = store_load(root, id, &state);
        folder = r == -ENOENT ? system_folder(root, id) : path_join(root, id);
        if (r < 0 && (r != -ENOENT || !folder)) {
                (void) access_load(root, id, &state);
                return STATUS_FAILED;
        }
        path = invocation_has(inv, "console") ? console_path(&state, id) : folder ? path_join(folder, "log") : NULL;
        if (!path || !check_server(inv, root, &state, path))
                return STATUS_FAILED;
        r = print_log(inv, folder, path);
        if (r == 0)
                return STATUS_OK;
        log_error(id, "%s: %s", path, strerror(-r));
        return STATUS_FAILED;
}

const struct command command_logs = {
        .name = "logs",
        .summary = "Print the log of a machine or a system",
        .usage = "ID",
        .description =
                "Each line has the time, its source and the text. The log of a machine is there until the machine is "
                "deleted,\n"
                "or until the `run` or `up` that started it ends.",
        .options = options,
        .n_operands_min = 1,
        .n_operands_max = 1,
        .run = logs_run,
        .complete = complete_machine,
};
