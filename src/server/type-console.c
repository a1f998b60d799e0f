/* SPDX-License-Identifier: MPL-2.0 */
/* busbar device console: consoles and byte channels between guest and host. See docs/devices/console.md. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "backend/logfile.h"
#include "backend/pty.h"
#include "backend/stream-socket.h"
#include "backend/stream-tee.h"
#include "backend/stream.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "device/console-pipe.h"
#include "device/console.h"
#include "server/server.h"
#include "server/types.h"

#define LISTEN_BACKLOG 16

static const struct setting_spec console_settings[] = {
        { .name = "name", .kind = SETTING_STRING, .scope = SETTING_GUEST, .help = "tag of the console in the guest" },
        { .name = "socket", .kind = SETTING_PATH, .scope = SETTING_GUEST,
          .help = "unix socket: several clients read, the first that sends writes" },
        { .name = "socket-fd", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .max = 65535, .argument = "FD",
          .help = "the same on a listening socket that is open" },
        { .name = "scrollback", .kind = SETTING_SIZE, .scope = SETTING_GUEST, .max = STREAM_SOCKET_BUFFER,
          .default_text = "64K", .help = "output that a new client gets first" },
        { .name = "log", .kind = SETTING_PATH, .scope = SETTING_GUEST, .help = "file that output is appended to" },
        { .name = "log-bytes", .kind = SETTING_SIZE, .scope = SETTING_GUEST, .min = 4096, .max = UINT64_C(1) << 40,
          .default_text = "1M", .help = "size at which the file is rotated" },
        { .name = "log-files", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .min = 1, .max = 100,
          .default_text = "4", .help = "files kept, the current one included" },
        { .name = "pty", .kind = SETTING_PATH, .scope = SETTING_GUEST, .argument = "LINK",
          .help = "pseudo-terminal, found by this symlink" },
        { .name = "columns", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .max = 65535, .default_text = "0",
          .help = "width of the terminal; 0: unknown" },
        { .name = "rows", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .max = 65535, .default_text = "0",
          .help = "height of the terminal; 0: unknown" },
        { .name = "port", .kind = SETTING_STRING, .scope = SETTING_GUEST, .repeatable = true,
          .argument = "NAME[;socket=PATH][;log=PATH][;pty=LINK][;console]",
          .help = "one more port, a byte channel (virtio-ports/NAME in Linux) or a console" },
        { .name = "input-fd", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .max = 65535, .argument = "FD",
          .help = "with stream and a fifo as fd: the fifo for what goes to the guest" },
        { .name = "stream", .kind = SETTING_BOOL, .scope = SETTING_GUEST,
          .help = "the guest's side is a plain byte stream, not vhost-user: a hypervisor's own console connects" },
        { .name = NULL },
};

static const struct feature_name console_feature_names[] = {
        { "size", CONSOLE_FEATURE_SIZE },
        { "multiport", CONSOLE_FEATURE_MULTIPORT },
        { "emerg-write", CONSOLE_FEATURE_EMERG_WRITE },
        { .name = NULL },
};

/* Log files are opened and renamed, and a terminal is asked for its size. */
static const struct sandbox_call console_calls[] = {
        SANDBOX_CALL_IF("ioctl", 1, 0xffffffffU, TIOCGWINSZ),
        SANDBOX_CALL("open"),
        SANDBOX_CALL("openat"),
        SANDBOX_CALL("rename"),
        SANDBOX_CALL("renameat"),
        SANDBOX_CALL("renameat2"),
        SANDBOX_CALL("unlink"),
        SANDBOX_CALL("unlinkat"),
        { .name = NULL },
};

/* Folders that must stay reachable, for the sandbox. */
struct folders {
        struct {
                char *path; /* owned */
                unsigned access;
        } entries[SANDBOX_PATHS_MAX];
        size_t n;
};

/* What one port is made of; borrowed texts. */
struct port_request {
        const char *name, *socket, *log, *pty;
        int socket_fd; /* -1: none */
        size_t scrollback_bytes;
        struct logfile_options log_options;
};

static int keep_folder(struct server *server, const char *path, unsigned access)
{
        struct folders *f = server_data(server);
        auto_cleanup(freep) char *copy = strdup(path);
        const char *folder;

        if (!copy)
                return -ENOMEM;
        folder = dirname(copy);
        for (size_t i = 0; i < f->n; i++) {
                if (strcmp(f->entries[i].path, folder) == 0) {
                        f->entries[i].access |= access;
                        return 0;
                }
        }
        if (f->n == ARRAY_SIZE(f->entries))
                return server_error(server, -ENOSPC, "more than %zu folders with logs", ARRAY_SIZE(f->entries));
        f->entries[f->n].path = strdup(folder);
        f->entries[f->n].access = access;
        return f->entries[f->n++].path ? 0 : -ENOMEM;
}

/* The folder of a file that is to be made, itself made if only it is missing. */
static int make_folder(struct server *server, const char *path)
{
        auto_cleanup(freep) char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        if (mkdir(dirname(copy), 0700) < 0 && errno != EEXIST)
                return server_error(server, -errno, "%s: %s", copy, strerror(errno));
        return 0;
}

static int open_socket(struct server *server, const struct port_request *request, struct stream **ret)
{
        auto_cleanup(closep) int fd = request->socket_fd;
        int r, listens = 0;
        socklen_t n = sizeof(listens);

        if (fd < 0) {
                fd = fd_unix_listen(request->socket, LISTEN_BACKLOG);
                if (fd < 0)
                        return server_error(server, fd, "socket=%s: %s", request->socket, strerror(-fd));
        } else if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) < 0 || !listens) {
                return server_error(server, -EINVAL, "socket-fd=%d: expected a listening socket", fd);
        }
        r = fd_set_cloexec(fd, 1);
        if (r == 0)
                r = stream_socket_new(server_loop(server), fd, request->socket, request->scrollback_bytes, ret);
        if (r < 0)
                return r;
        (void) take_fd(&fd);
        return request->socket ? keep_folder(server, request->socket, SANDBOX_REMOVE) : 0;
}

static int open_log(struct server *server, const struct port_request *request, struct stream **ret)
{
        int r = make_folder(server, request->log);

        if (r < 0)
                return r;
        r = logfile_open(request->log, &request->log_options, ret);
        if (r == -ELOOP || r == -EINVAL)
                return server_error(server, r, "log=%s: not a regular file", request->log);
        if (r < 0)
                return server_error(server, r, "log=%s: %s", request->log, strerror(-r));
        return keep_folder(server, request->log, SANDBOX_WRITE | SANDBOX_CREATE);
}

static int open_pty(struct server *server, const struct port_request *request, struct stream **ret)
{
        int r = make_folder(server, request->pty);

        if (r < 0)
                return r;
        r = pty_open(server_loop(server), request->pty, ret);
        if (r < 0)
                return server_error(server, r, "pty=%s: %s", request->pty, strerror(-r));
        return keep_folder(server, request->pty, SANDBOX_REMOVE);
}

/* All that is wanted of one port, as one stream; also none at all. */
static int open_port(struct server *server, const struct port_request *request, struct stream **ret)
{
        struct stream *parts[3] = { NULL };
        size_t n = 0;
        int r = 0;

        if (request->socket && request->socket_fd >= 0)
                return server_error(server, -EINVAL, "give either socket or socket-fd");
        if (request->socket || request->socket_fd >= 0)
                r = open_socket(server, request, &parts[n]);
        n += parts[n] != NULL;
        if (r == 0 && request->log)
                r = open_log(server, request, &parts[n]);
        n += parts[n] != NULL;
        if (r == 0 && request->pty)
                r = open_pty(server, request, &parts[n]);
        n += n < ARRAY_SIZE(parts) && parts[n] != NULL;
        if (r == 0)
                r = stream_tee_new(parts, n, ret);
        for (size_t i = 0; i < n && r < 0; i++)
                stream_free(parts[i]);
        return r;
}

static void first_request(const struct settings *guest, struct port_request *ret)
{
        *ret = (struct port_request) {
                .name = settings_string(guest, "name"),
                .socket = settings_string(guest, "socket"),
                .log = settings_string(guest, "log"),
                .pty = settings_string(guest, "pty"),
                .socket_fd = settings_given(guest, "socket-fd") ? (int) settings_number(guest, "socket-fd") : -1,
                .scrollback_bytes = settings_number(guest, "scrollback"),
                .log_options = { .size_bytes = settings_number(guest, "log-bytes"),
                                 .n_files = (unsigned) settings_number(guest, "log-files") },
        };
}

/* Cuts "NAME;KEY=VALUE;..." in place. */
static int parse_request(struct server *server, char *text, struct port_request *inout, bool *ret_console)
{
        char *rest = text, *word;

        inout->name = strsep(&rest, ";");
        while ((word = strsep(&rest, ";"))) {
                if (strncmp(word, "socket=", 7) == 0)
                        inout->socket = word + 7;
                else if (strncmp(word, "log=", 4) == 0)
                        inout->log = word + 4;
                else if (strncmp(word, "pty=", 4) == 0)
                        inout->pty = word + 4;
                else if (strcmp(word, "console") == 0)
                        *ret_console = true;
                else
                        return server_error(server, -EINVAL, "port %s: unknown '%s'", inout->name, word);
        }
        return 0;
}

static int open_ports(struct server *server, const struct settings *guest, struct console_port_options *ports,
                      size_t n_ports, char **texts)
{
        struct port_request request;
        int r;

        first_request(guest, &request);
        for (size_t i = 0; i < n_ports; i++) {
                ports[i].console = i == 0;
                if (i == 0) {
                        ports[i].columns = (uint16_t) settings_number(guest, "columns");
                        ports[i].rows = (uint16_t) settings_number(guest, "rows");
                } else {
                        request.socket = request.log = request.pty = NULL;
                        request.socket_fd = -1;
                        texts[i] = strdup(settings_string_at(guest, "port", i - 1));
                        if (!texts[i])
                                return -ENOMEM;
                        r = parse_request(server, texts[i], &request, &ports[i].console);
                        if (r < 0)
                                return r;
                }
                if (request.name && strlen(request.name) > CONSOLE_NAME_MAX)
                        return server_error(server, -EINVAL, "port %s: a name has at most %d bytes", request.name,
                                            CONSOLE_NAME_MAX);
                ports[i].name = request.name;
                r = open_port(server, &request, &ports[i].stream);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int console_guest_new(struct server *server, const struct settings *guest, const char *id, struct device **ret)
{
        struct console_port_options ports[CONSOLE_PORTS_MAX] = { 0 };
        char *texts[CONSOLE_PORTS_MAX] = { NULL };
        size_t n = 1 + settings_count(guest, "port");
        int r;

        if (n > CONSOLE_PORTS_MAX)
                return server_error(server, -EINVAL, "more than %d ports", CONSOLE_PORTS_MAX);
        if (n > 1 && settings_bool(guest, "stream"))
                return server_error(server, -EINVAL, "a stream carries one port: port and stream do not go together");
        r = open_ports(server, guest, ports, n, texts);
        if (r == 0)
                r = console_new(server_loop(server), id, ports, n, ret);
        for (size_t i = 0; i < n; i++) {
                free(texts[i]);
                if (r < 0)
                        stream_free(ports[i].stream);
        }
        return r;
}

/* A pipe and whom to tell of its end. */
struct joint {
        struct console_pipe *pipe; /* owned */
        void (*closed)(int reason, void *data);
        void *data;
};

static void on_pipe_closed(struct console_pipe *p, int reason, void *data)
{
        struct joint *j = data;

        j->closed(reason, j->data);
}

static int connection_open(struct loop *loop, int fd, const struct settings *guest, struct device *device,
                           void (*closed)(int reason, void *data), void *data, void **ret)
{
        auto_cleanup(closep) int output_fd = fd;
        auto_cleanup(closep) int input_fd = -1;
        struct joint *j;
        int r;

        input_fd = settings_given(guest, "input-fd") ? (int) settings_number(guest, "input-fd")
                                                     : fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (input_fd < 0)
                return -errno;
        j = calloc(1, sizeof(*j));
        if (!j)
                return -ENOMEM;
        *j = (struct joint) { .closed = closed, .data = data };
        r = console_pipe_new(loop, take_fd(&output_fd), take_fd(&input_fd), device, on_pipe_closed, j, &j->pipe);
        if (r < 0) {
                free(j);
                return r;
        }
        *ret = j;
        return 0;
}

static void connection_close(void *connection)
{
        struct joint *j = connection;

        if (j)
                console_pipe_free(j->pipe);
        free(j);
}

static const struct connection_ops *console_connection(const struct settings *guest)
{
        static const struct connection_ops ops = { .open = connection_open, .close = connection_close };

        return settings_bool(guest, "stream") ? &ops : NULL;
}

static int console_open(struct server *server, const struct settings *settings)
{
        server_set_data(server, calloc(1, sizeof(struct folders)));
        return server_data(server) ? 0 : -ENOMEM;
}

static int console_sandbox(struct server *server, struct sandbox *sandbox)
{
        const struct folders *f = server_data(server);
        int r = 0;

        for (size_t i = 0; i < f->n && r == 0; i++)
                r = sandbox_allow_path(sandbox, f->entries[i].path, f->entries[i].access);
        return r;
}

static void console_close(struct server *server)
{
        struct folders *f = server_data(server);

        for (size_t i = 0; f && i < f->n; i++)
                free(f->entries[i].path);
        free(f);
}

const struct server_type server_type_console = {
        .name = "console",
        .summary = "Consoles on sockets, terminals and log files",
        .vhost_type = "console",
        .settings = console_settings,
        .system_calls = console_calls,
        .guest_new = console_guest_new,
        .features = console_feature_names,
        .connection = console_connection,
        .open = console_open,
        .sandbox = console_sandbox,
        .close = console_close,
};
