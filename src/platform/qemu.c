/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Life of a QEMU process: started with its vCPUs stopped and its control socket as an inherited descriptor (so
 * there is no socket file to clean up), driven by QMP, and watched through its pidfd. How the machine ended is
 * told by the last SHUTDOWN or GUEST_PANICKED event before the process ended.
 *
 * A connection that is made again after a loss is made in the background, the first time too, and some devices of
 * QEMU's (vhost-user-rng) do not wait for it. So QEMU holds before it makes its devices (-preconfig) until it says that
 * every connection is there.
 *
 * QEMU's stderr is read here: each line goes on to the log, the last one is kept to say why QEMU failed. Its warnings,
 * some of which come at every connection to a server, are for debugging only.
 */
#include "platform/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/process.h"
#include "platform/kvm-probe.h"
#include "platform/output.h"
#include "platform/qemu-args.h"
#include "platform/qemu-relay.h"
#include "platform/qmp.h"

#define QMP_FD_IN_CHILD 3
#define BOOT_FD_IN_CHILD 4
#define RELAY_FD_IN_CHILD (BOOT_FD_IN_CHILD + QEMU_BOOT_FILES_MAX)
/* The sockets are listened on before QEMU starts, so a round or two are enough. */
#define CONNECT_WAIT_NS (2 * NSEC_PER_MSEC)
#define CONNECT_TRIES_MAX 5000
/* From QEMU's start until its devices are made; emulating another architecture on a loaded host takes a few seconds. */
#define READY_LIMIT_S 60

struct qemu {
        struct platform_instance instance;
        struct loop *loop;
        const struct machine *machine;
        struct platform_events events;
        void *data;

        struct process process;
        struct qemu_relay relay;
        struct qmp *qmp; /* owned */
        struct timer connect_timer;
        unsigned n_connect_tries;
        struct timer ready_limit;
        enum machine_end end;
        bool killed, gave_up;

        struct output messages; /* its stderr */
        char last_line[OUTPUT_LINE_MAX];
};

static enum machine_arch host_arch(void)
{
#if defined(__aarch64__)
        return ARCH_AARCH64;
#else
        return ARCH_X86_64;
#endif
}

/* "10.0.2" → 1000; 0 if it is no version. */
static unsigned version_number(const char *text)
{
        unsigned major, minor;

        if (sscanf(text, "%u.%u", &major, &minor) != 2 || major > 999 || minor > 99)
                return 0;
        return major * 100 + minor;
}

/* The version in "QEMU emulator version 10.0.2 (Debian ...)". Return: 0, -ENOENT if the program does not run. */
static int read_version(const char *binary, char *ret, size_t n)
{
        char command[128], line[256] = "";
        const char *at;
        FILE *out;

        (void) snprintf(command, sizeof(command), "exec %s --version 2>/dev/null", binary);
        out = popen(command, "re");
        if (!out)
                return -errno;
        at = fgets(line, sizeof(line), out) ? strstr(line, "version ") : NULL;
        if (pclose(out) != 0)
                return -ENOENT;
        at = at ? at + strlen("version ") : "";
        (void) snprintf(ret, n, "%.*s", (int) strcspn(at, " \n"), at);
        return 0;
}

static int qemu_probe(enum machine_arch arch, struct platform_probe *ret)
{
        const char *binary = qemu_binary(arch);
        struct platform_probe probe = { 0 };

        if (read_version(binary, probe.version, sizeof(probe.version)) < 0) {
                (void) snprintf(probe.why, sizeof(probe.why), "%s is not installed: `apt install qemu-system-%s`",
                                binary, arch == ARCH_AARCH64 ? "arm" : "x86");
        } else if (version_number(probe.version) < QEMU_OLDEST) {
                (void) snprintf(probe.why, sizeof(probe.why), "QEMU '%s' is too old: 7.2 or later is needed",
                                probe.version);
        } else {
                probe.usable = true;
                if (arch != host_arch())
                        (void) snprintf(probe.why, sizeof(probe.why), "software emulation: the host is no %s",
                                        machine_arch_name(arch));
                else
                        probe.accelerated = kvm_probe(probe.why, sizeof(probe.why));
        }
        *ret = probe;
        return 0;
}

/* "qemu-system-x86_64: -device ...: warning: ..." says of nothing that it failed. */
static void on_message(const char *line, void *data)
{
        struct qemu *q = data;

        if (strstr(line, ": warning: ")) {
                log_debug("qemu", "%s", line);
        } else if (*line) {
                if (!q->gave_up)
                        (void) snprintf(q->last_line, sizeof(q->last_line), "%s", line);
                log_info("qemu", "%s", line);
        }
}

/* Tells how it ended once everything of the process is gone, and what it said last was read. */
static void on_process_end(struct process *p, int status)
{
        struct qemu *q = container_of(p, struct qemu, process);
        char text[600], how[64];

        output_drain(&q->messages);
        timer_stop(&q->connect_timer);
        timer_stop(&q->ready_limit);
        q->qmp = qmp_free(q->qmp);
        if (q->end == END_FAILED && !q->killed)
                (void) snprintf(text, sizeof(text), "QEMU %s%s%s", process_status_text(status, how, sizeof(how)),
                                q->last_line[0] ? ": " : "", q->last_line);
        else
                text[0] = '\0';
        q->events.ended(q->data, q->killed ? END_KILLED : q->end, text);
}

/* QEMU's end follows, and tells the rest; the first cause counts. */
static void give_up(struct qemu *q, const char *why)
{
        if (q->gave_up)
                return;
        q->gave_up = true;
        (void) snprintf(q->last_line, sizeof(q->last_line), "%s", why);
        (void) process_signal(&q->process, SIGKILL);
}

/* It ends well with QEMU's connections. Without it, QEMU would take each device's server for gone,
   and not bear that. */
static void on_relay_end(struct process *p, int status)
{
        struct qemu *q = container_of(container_of(p, struct qemu_relay, process), struct qemu, relay);
        char text[128], how[64];

        (void) snprintf(text, sizeof(text), "the relay to its device servers %s",
                        process_status_text(status, how, sizeof(how)));
        if (status != 0 && q->end == END_FAILED && !q->killed)
                give_up(q, text);
}

static void on_ready_limit(struct timer *t)
{
        give_up(container_of(t, struct qemu, ready_limit), "not ready within a minute");
}

static void on_configured(json_t *result, const char *error, void *data)
{
        struct qemu *q = data;

        timer_stop(&q->ready_limit);
        if (error)
                give_up(q, error);
        else
                q->events.ready(q->data);
}

static void ask_connections(struct qemu *q);

static void on_connect_timer(struct timer *t) { ask_connections(container_of(t, struct qemu, connect_timer)); }

static void on_connections(json_t *result, const char *error, void *data)
{
        struct qemu *q = data;
        bool all = true;

        for (size_t i = 0; i < json_array_size(result); i++) {
                const char *name = json_string_value(json_object_get(json_array_get(result, i), "filename"));

                all &= !name || strncmp(name, "disconnected:", strlen("disconnected:")) != 0;
        }
        if (error)
                give_up(q, error);
        else if (all && qmp_command(q->qmp, "x-exit-preconfig", NULL, on_configured, q) < 0)
                give_up(q, "QEMU does not take commands");
        else if (!all && ++q->n_connect_tries == CONNECT_TRIES_MAX)
                give_up(q, "it did not connect to its device servers");
        else if (!all)
                timer_start(&q->connect_timer, q->loop, clock_now_ns() + CONNECT_WAIT_NS, on_connect_timer);
}

static void ask_connections(struct qemu *q)
{
        if (qmp_command(q->qmp, "query-chardev", NULL, on_connections, q) < 0)
                give_up(q, "QEMU does not take commands");
}

static void on_qmp_ready(void *data) { ask_connections(data); }

static void on_qmp_event(const char *name, json_t *event, void *data)
{
        struct qemu *q = data;
        const char *reason = json_string_value(json_object_get(event, "reason"));

        if (strcmp(name, "RESUME") == 0)
                q->events.running(q->data, true);
        else if (strcmp(name, "STOP") == 0)
                q->events.running(q->data, false);
        else if (strcmp(name, "GUEST_PANICKED") == 0)
                q->end = END_PANICKED;
        else if (strcmp(name, "SHUTDOWN") == 0 && q->end != END_PANICKED) {
                if (reason && strcmp(reason, "guest-panic") == 0)
                        q->end = END_PANICKED;
                else if (reason && strcmp(reason, "guest-reset") == 0)
                        q->end = END_RESET;
                else
                        q->end = END_POWERED_OFF;
        }
}

static void on_qmp_closed(const char *why, void *data)
{
        struct qemu *q = data;

        /* The end of the process is what counts; a QEMU that lives on without its control socket is no use. */
        log_debug(q->machine->id, "%s", why);
        if (q->end == END_FAILED)
                (void) process_signal(&q->process, SIGTERM);
}

struct boot_fds {
        int fds[QEMU_BOOT_FILES_MAX]; /* owned */
        size_t n;
};

static void boot_fds_deinit(struct boot_fds *b)
{
        while (b->n > 0)
                fd_close(&b->fds[--b->n]);
}

/* The paths were resolved when the bundle was read, so a symlink that is there now was put there since. */
static int open_boot_files(struct qemu *q, struct boot_fds *ret, char **ret_error)
{
        const char *paths[QEMU_BOOT_FILES_MAX];
        size_t n = qemu_boot_files(q->machine, paths);

        for (; ret->n < n; ret->n++) {
                int fd = fd_open_plain(paths[ret->n], O_RDONLY | O_NOCTTY | O_NONBLOCK);

                if (fd < 0) {
                        if (asprintf(ret_error, "%s: %s", paths[ret->n],
                                     fd == -ELOOP ? "a part of this path became a symlink" : strerror(-fd)) < 0)
                                *ret_error = NULL;
                        return fd;
                }
                ret->fds[ret->n] = fd;
        }
        return 0;
}

/* QEMU, and before it the relay that it needs. */
static int start_process(struct qemu *q, char *const *argv, int qmp_peer, const struct boot_fds *boot)
{
        auto_cleanup(closep) int write_end = -1;
        auto_cleanup(closep) int null_fd = -1;
        struct process_fd fds[4 + QEMU_BOOT_FILES_MAX + QEMU_RELAYED_MAX];
        size_t n = 4;
        int r;

        null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null_fd < 0)
                return -errno;
        r = output_open(&q->messages, q->loop, on_message, q, &write_end);
        if (r == 0)
                r = qemu_relay_start(&q->relay, q->loop, q->machine, write_end, on_relay_end);
        if (r < 0)
                return r;

        fds[0] = (struct process_fd){ null_fd, 0 };
        fds[1] = (struct process_fd){ write_end, 1 };
        fds[2] = (struct process_fd){ write_end, 2 };
        fds[3] = (struct process_fd){ qmp_peer, QMP_FD_IN_CHILD };
        for (size_t i = 0; i < boot->n; i++)
                fds[n++] = (struct process_fd){ boot->fds[i], BOOT_FD_IN_CHILD + (int) i };
        for (size_t i = 0; i < q->relay.n; i++)
                fds[n++] = (struct process_fd){ q->relay.fds[i], RELAY_FD_IN_CHILD + (int) i };
        r = process_start(
                &q->process, q->loop,
                &(struct process_spec){ .argv = (const char *const *) argv, .fds = fds, .n_fds = n },
                on_process_end);
        qemu_relay_close_fds(&q->relay);
        if (r == 0)
                timer_start(&q->ready_limit, q->loop, clock_now_ns() + READY_LIMIT_S * NSEC_PER_SEC, on_ready_limit);
        return r;
}

static struct platform_instance *qemu_free(struct platform_instance *instance)
{
        struct qemu *q;

        if (!instance)
                return NULL;
        q = container_of(instance, struct qemu, instance);
        process_deinit(&q->process);
        qemu_relay_deinit(&q->relay);
        timer_stop(&q->connect_timer);
        timer_stop(&q->ready_limit);
        output_close(&q->messages);
        qmp_free(q->qmp);
        free(q);
        return NULL;
}

static int start(struct qemu *q, const struct platform_probe *probe, char **ret_error)
{
        static const struct qmp_handlers handlers = { on_qmp_ready, on_qmp_event, on_qmp_closed };
        auto_cleanup(closep) int qmp_ours = -1;
        auto_cleanup(closep) int qmp_theirs = -1;
        auto_cleanup(boot_fds_deinit) struct boot_fds boot = { .n = 0 };
        struct qemu_build build = {
                .binary = qemu_binary(q->machine->arch),
                .version = version_number(probe->version),
                .kvm = probe->accelerated,
                .qmp_fd = QMP_FD_IN_CHILD,
                .relay_fd = RELAY_FD_IN_CHILD,
                .boot_fd = BOOT_FD_IN_CHILD,
        };
        struct argv argv = { 0 };
        int ends[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;
        qmp_ours = ends[0];
        qmp_theirs = ends[1];
        r = open_boot_files(q, &boot, ret_error);
        if (r == 0)
                r = qemu_args(q->machine, &build, &argv);
        if (r < 0)
                return r;
        r = start_process(q, argv.items, qmp_theirs, &boot);
        argv_deinit(&argv);
        if (r < 0)
                return r;
        return qmp_new(q->loop, take_fd(&qmp_ours), &handlers, q, &q->qmp);
}

static char *qemu_check(const struct machine *m, const struct platform_probe *probe)
{
        return qemu_args_check(m, version_number(probe->version));
}

static int qemu_bring_up(struct loop *loop, const struct machine *m, const struct platform_probe *probe,
                         const struct platform_events *events, void *data, struct platform_instance **ret,
                         char **ret_error)
{
        struct qemu *q;
        int r;

        *ret_error = NULL;
        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        *q = (struct qemu){ .instance.ops = &qemu_platform,
                            .loop = loop,
                            .machine = m,
                            .events = *events,
                            .data = data,
                            .end = END_FAILED,
                            .messages = OUTPUT_NONE };
        r = start(q, probe, ret_error);
        if (r < 0) {
                if (!*ret_error && asprintf(ret_error, "QEMU does not start: %s", strerror(-r)) < 0)
                        *ret_error = NULL;
                qemu_free(&q->instance);
                return r;
        }
        *ret = &q->instance;
        return 0;
}

static int command(struct platform_instance *instance, const char *name)
{
        struct qemu *q = container_of(instance, struct qemu, instance);

        return q->qmp ? qmp_command(q->qmp, name, NULL, NULL, NULL) : -ENOTCONN;
}

/* The relay knows before QEMU, which has devices begin anew when it stops their machine, as if a driver had said so. */
static int qemu_resume(struct platform_instance *instance)
{
        qemu_relay_set_paused(&container_of(instance, struct qemu, instance)->relay, false);
        return command(instance, "cont");
}

static int qemu_pause(struct platform_instance *instance)
{
        struct qemu_relay *relay = &container_of(instance, struct qemu, instance)->relay;
        int r;

        qemu_relay_set_paused(relay, true);
        r = command(instance, "stop");
        if (r < 0)
                qemu_relay_set_paused(relay, false); /* it goes on */
        return r;
}

static int qemu_power_down(struct platform_instance *instance) { return command(instance, "system_powerdown"); }

static int qemu_kill(struct platform_instance *instance)
{
        struct qemu *q = container_of(instance, struct qemu, instance);

        q->killed = true;
        return process_signal(&q->process, SIGKILL);
}

const struct platform_ops qemu_platform = {
        .name = "qemu",
        .console_streams = true,
        .probe = qemu_probe,
        .check = qemu_check,
        .bring_up = qemu_bring_up,
        .resume = qemu_resume,
        .pause = qemu_pause,
        .power_down = qemu_power_down,
        .kill = qemu_kill,
        .free = qemu_free,
};
