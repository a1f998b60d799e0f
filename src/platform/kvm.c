/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Life of a machine under our own monitor (`busbar monitor`, this program): one process a start of the guest, with its
 * vCPUs stopped until it is told otherwise over an inherited socket, and watched through its pidfd.
 *
 *      bring_up ─► process ─► ready ─► resume ⇄ pause ─► ended ─┬─► powered off, panicked ...: the machine's end
 *                     ▲                                         │
 *                     └──── reset, watchdog: the next process ◄─┘
 *
 * A guest that resets itself stays the same machine, as under QEMU: the next process gets the same device servers, and
 * nobody above hears of it. How a process ended is told by its `ended` event; without one, by its exit status.
 *
 * Its stderr goes on to the log as it is, and the last line says why a process failed that could not say it otherwise.
 * What the guest writes to its serial port before it has a console goes to the log too, in measured amounts.
 */
#include "platform/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/process.h"
#include "base/ratelimit.h"
#include "platform/kvm-args.h"
#include "platform/kvm-probe.h"
#include "platform/monitor-client.h"
#include "platform/output.h"

#define CONTROL_FD_IN_CHILD 3
#define SERIAL_FD_IN_CHILD 4
/* From a process's start until its devices are connected: as long as QEMU gets. */
#define READY_LIMIT_NS (60 * NSEC_PER_SEC)
/* From its last word until it is gone. */
#define LEAVE_LIMIT_NS (10 * NSEC_PER_SEC)
/* A guest that resets before it has run for so long goes on after a pause, which grows with each such reset. */
#define STEADY_NS (10 * NSEC_PER_SEC)
#define PAUSE_MIN_NS (50 * NSEC_PER_MSEC)
#define PAUSE_MAX_NS (2 * NSEC_PER_SEC)
/* Of serial lines: a kernel's messages at once, then a line every 20 ms. */
#define SERIAL_LINES_BURST 2000
#define SERIAL_LINES_PER_SECOND 50
/* Of lines about it that the monitor, and with resets its guest, can cause. */
#define LINES_BURST 200
#define LINES_PER_SECOND 5

enum how { HOW_UNKNOWN, HOW_POWERED_OFF, HOW_FAILED, HOW_RESET, HOW_PANICKED, HOW_CRASHED, HOW_WATCHDOG, HOW_STOPPED };

/* As busbar-monitor(1) has them: names of events, exit statuses. */
static const struct {
        const char *name;
        int status;
        bool starts_again;
        enum machine_end end;
} ways[] = {
        [HOW_UNKNOWN] = { "", -1, false, END_FAILED },
        [HOW_POWERED_OFF] = { "powered-off", 0, false, END_POWERED_OFF },
        [HOW_FAILED] = { "failed", 1, false, END_FAILED },
        [HOW_RESET] = { "reset", 3, true, END_RESET },
        [HOW_PANICKED] = { "panicked", 4, false, END_PANICKED },
        [HOW_CRASHED] = { "crashed", 5, false, END_CRASHED },
        [HOW_WATCHDOG] = { "watchdog", 6, true, END_RESET },
        [HOW_STOPPED] = { "stopped", 7, false, END_KILLED },
};

struct kvm {
        struct platform_instance instance;
        struct loop *loop;
        const struct machine *machine;
        struct platform_events events;
        void *data;

        struct process process;
        struct monitor_client *client; /* owned; NULL between two processes */
        struct output messages, serial;
        struct ratelimit serial_limit, lines_limit;
        struct timer limit; /* until it is ready; until it is gone */
        struct timer rest;  /* until the pause after a reset is over */
        uint64_t ready_limit_ns, leave_limit_ns, pause_ns, started_ns;

        enum how how; /* of this process, once known */
        char text[512];
        char last_line[OUTPUT_LINE_MAX];
        bool was_ready; /* the first process; later ones are not announced */
        bool is_ready;  /* this one */
        bool wants_run; /* what was asked for last */
        bool killed, powers_down;
};

static enum machine_arch host_arch(void)
{
#if defined(__aarch64__)
        return ARCH_AARCH64;
#else
        return ARCH_X86_64;
#endif
}

static int kvm_platform_probe(enum machine_arch arch, struct platform_probe *ret)
{
        struct platform_probe probe = { 0 };
        struct utsname kernel;

        if (uname(&kernel) == 0)
                (void) snprintf(probe.version, sizeof(probe.version), "%.63s", kernel.release);
        if (arch != host_arch())
                (void) snprintf(probe.why, sizeof(probe.why), "the host is no %s", machine_arch_name(arch));
        else
                probe.usable = probe.accelerated = kvm_probe(probe.why, sizeof(probe.why));
        *ret = probe;
        return 0;
}

static bool may_log(struct kvm *k) { return ratelimit_take(&k->lines_limit, 1, clock_now_ns()); }

static void on_message(const char *line, void *data)
{
        struct kvm *k = data;

        if (!*line)
                return;
        (void) snprintf(k->last_line, sizeof(k->last_line), "%s", line);
        if (may_log(k))
                (void) dprintf(STDERR_FILENO, "%s\n", line);
}

static void on_serial(const char *line, void *data)
{
        struct kvm *k = data;

        if (!ratelimit_take(&k->serial_limit, 1, clock_now_ns()))
                return;
        if (k->serial_limit.n_suppressed > 0)
                log_info("serial", "%llu lines were left out", (unsigned long long) k->serial_limit.n_suppressed);
        k->serial_limit.n_suppressed = 0;
        log_info("serial", "%s", line);
}

/* The process's end follows, and tells the rest. */
static void give_up(struct kvm *k, const char *why)
{
        if (k->how == HOW_UNKNOWN) {
                k->how = HOW_FAILED;
                (void) snprintf(k->text, sizeof(k->text), "%s", why);
        }
        (void) process_signal(&k->process, SIGKILL);
}

static void on_ready_limit(struct timer *t)
{
        give_up(container_of(t, struct kvm, limit), "the monitor was not ready in time");
}

static void on_leave_limit(struct timer *t)
{
        give_up(container_of(t, struct kvm, limit), "the monitor lived on without its control socket");
}

static void expect_end(struct kvm *k)
{
        timer_start(&k->limit, k->loop, clock_now_ns() + k->leave_limit_ns, on_leave_limit);
}

/* After a reset. */
static void go_on(struct timer *t)
{
        struct kvm *k = container_of(t, struct kvm, rest);

        if (monitor_client_ask(k->client, "resume") < 0)
                give_up(k, "the monitor does not take requests");
}

static void on_ready(void *data)
{
        struct kvm *k = data;

        if (k->is_ready)
                return;
        k->is_ready = true;
        timer_stop(&k->limit);
        if (!k->was_ready) {
                k->was_ready = true;
                k->events.ready(k->data);
        } else if (!k->wants_run) {
                k->events.running(k->data, false);
        } else {
                timer_start(&k->rest, k->loop, clock_now_ns() + k->pause_ns, go_on);
        }
}

static void on_running(bool running, void *data)
{
        struct kvm *k = data;

        if (k->is_ready)
                k->events.running(k->data, running);
}

static void on_ended(const char *how, const char *text, void *data)
{
        struct kvm *k = data;

        if (k->how != HOW_UNKNOWN)
                return;
        for (size_t i = HOW_POWERED_OFF; i < ARRAY_SIZE(ways); i++)
                if (strcmp(ways[i].name, how) == 0)
                        k->how = (enum how) i;
        (void) snprintf(k->text, sizeof(k->text), "%s", text);
        expect_end(k);
}

static void on_error(const char *text, void *data)
{
        struct kvm *k = data;

        if (may_log(k))
                log_warning(k->machine->id, "%s", text);
}

static void on_closed(const char *broken, void *data)
{
        struct kvm *k = data;

        if (broken)
                give_up(k, broken);
        else
                expect_end(k);
}

static void close_process(struct kvm *k)
{
        timer_stop(&k->limit);
        timer_stop(&k->rest);
        k->client = monitor_client_free(k->client);
        output_close(&k->messages);
        output_close(&k->serial);
}

static void report_end(struct kvm *k, int status)
{
        char text[OUTPUT_LINE_MAX + 600], how[64];

        text[0] = '\0';
        if (k->how == HOW_UNKNOWN && !k->killed)
                (void) snprintf(text, sizeof(text), "the monitor %s%s%s", process_status_text(status, how, sizeof(how)),
                                k->last_line[0] ? ": " : "", k->last_line);
        else if (!k->killed)
                (void) snprintf(text, sizeof(text), "%s", k->text);
        k->events.ended(k->data, k->killed ? END_KILLED : ways[k->how].end, text);
}

static int start_process(struct kvm *k);

static void start_again(struct kvm *k)
{
        char text[128];
        int r;

        if (clock_now_ns() - k->started_ns > STEADY_NS)
                k->pause_ns = 0;
        else
                k->pause_ns = MIN(2 * k->pause_ns + PAUSE_MIN_NS, PAUSE_MAX_NS);
        if (may_log(k))
                log_info(k->machine->id, "%s, starts again",
                         k->how == HOW_WATCHDOG ? "reset by its watchdog, as it hung" : "reset by the guest");
        r = start_process(k);
        if (r == 0)
                return;
        (void) snprintf(text, sizeof(text), "the monitor does not start again: %s", strerror(-r));
        k->events.ended(k->data, END_FAILED, text);
}

static void on_process_end(struct process *p, int status)
{
        struct kvm *k = container_of(p, struct kvm, process);

        monitor_client_drain(k->client);
        output_drain(&k->messages);
        output_drain(&k->serial);
        close_process(k);
        for (size_t i = HOW_POWERED_OFF; i < ARRAY_SIZE(ways) && k->how == HOW_UNKNOWN; i++)
                if (k->is_ready && i != HOW_FAILED && WIFEXITED(status) && WEXITSTATUS(status) == ways[i].status)
                        k->how = (enum how) i;
        if (k->powers_down && !k->killed)
                k->events.ended(k->data, END_POWERED_OFF, "");
        else if (ways[k->how].starts_again && k->is_ready && !k->killed)
                start_again(k);
        else
                report_end(k, status);
}

static int execute(struct kvm *k, int control_fd, int message_fd, int serial_fd)
{
        auto_cleanup(closep) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        const struct process_fd fds[] = {
                { null_fd, 0 },
                { message_fd, 1 },
                { message_fd, 2 },
                { control_fd, CONTROL_FD_IN_CHILD },
                { serial_fd, SERIAL_FD_IN_CHILD },
        };
        struct argv argv = { 0 };
        int r;

        if (null_fd < 0)
                return -errno;
        r = kvm_args(k->machine, &(struct kvm_fds){ .control = CONTROL_FD_IN_CHILD, .serial = SERIAL_FD_IN_CHILD },
                     &argv);
        if (r < 0)
                return r;
        r = process_start(&k->process, k->loop,
                          &(struct process_spec){ .program = "/proc/self/exe",
                                                  .argv = (const char *const *) argv.items,
                                                  .fds = fds,
                                                  .n_fds = ARRAY_SIZE(fds) },
                          on_process_end);
        argv_deinit(&argv);
        return r;
}

static int start_process(struct kvm *k)
{
        static const struct monitor_client_handlers handlers = { on_ready, on_running, on_ended, on_error, on_closed };
        auto_cleanup(closep) int ours = -1;
        auto_cleanup(closep) int theirs = -1;
        auto_cleanup(closep) int message_fd = -1;
        auto_cleanup(closep) int serial_fd = -1;
        int ends[2], r;

        k->how = HOW_UNKNOWN;
        k->started_ns = clock_now_ns();
        k->is_ready = false;
        k->text[0] = k->last_line[0] = '\0';
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;
        ours = ends[0];
        theirs = ends[1];
        r = output_open(&k->messages, k->loop, on_message, k, &message_fd);
        if (r == 0)
                r = output_open(&k->serial, k->loop, on_serial, k, &serial_fd);
        /* A guest that writes faster than we read loses some of it; its vCPU does not wait. */
        if (r == 0)
                r = fd_set_nonblock(serial_fd, 1);
        if (r == 0)
                r = monitor_client_new(k->loop, take_fd(&ours), &handlers, k, &k->client);
        if (r == 0)
                r = execute(k, theirs, message_fd, serial_fd);
        if (r == 0)
                timer_start(&k->limit, k->loop, clock_now_ns() + k->ready_limit_ns, on_ready_limit);
        else
                close_process(k);
        return r;
}

static struct platform_instance *kvm_free(struct platform_instance *instance)
{
        struct kvm *k;

        if (!instance)
                return NULL;
        k = container_of(instance, struct kvm, instance);
        process_deinit(&k->process);
        close_process(k);
        free(k);
        return NULL;
}

static int kvm_bring_up(struct loop *loop, const struct machine *m, const struct platform_probe *probe,
                        const struct platform_events *events, void *data, struct platform_instance **ret,
                        char **ret_error)
{
        struct kvm *k = calloc(1, sizeof(*k));
        int r;

        *ret_error = NULL;
        if (!k)
                return -ENOMEM;
        *k = (struct kvm){ .instance.ops = &kvm_platform,
                           .loop = loop,
                           .machine = m,
                           .events = *events,
                           .data = data,
                           .messages = OUTPUT_NONE,
                           .serial = OUTPUT_NONE,
                           .ready_limit_ns = READY_LIMIT_NS,
                           .leave_limit_ns = LEAVE_LIMIT_NS };
        ratelimit_init(&k->serial_limit, SERIAL_LINES_PER_SECOND, SERIAL_LINES_BURST);
        ratelimit_init(&k->lines_limit, LINES_PER_SECOND, LINES_BURST);
        r = start_process(k);
        if (r < 0) {
                if (asprintf(ret_error, "the monitor does not start: %s", strerror(-r)) < 0)
                        *ret_error = NULL;
                kvm_free(&k->instance);
                return r;
        }
        *ret = &k->instance;
        return 0;
}

void kvm_set_limits(struct platform_instance *instance, uint64_t ready_ns, uint64_t leave_ns)
{
        struct kvm *k = container_of(instance, struct kvm, instance);

        k->ready_limit_ns = ready_ns;
        k->leave_limit_ns = leave_ns;
        timer_start(&k->limit, k->loop, clock_now_ns() + ready_ns, on_ready_limit);
}

/* While the guest is started again there is nobody to ask: on_ready() does what was asked for last. */
static int set_running(struct platform_instance *instance, bool run)
{
        struct kvm *k = container_of(instance, struct kvm, instance);

        k->wants_run = run;
        if (!k->is_ready || k->how != HOW_UNKNOWN)
                return 0;
        timer_stop(&k->rest);
        return monitor_client_ask(k->client, run ? "resume" : "pause");
}

static int kvm_resume(struct platform_instance *instance) { return set_running(instance, true); }

static int kvm_pause(struct platform_instance *instance) { return set_running(instance, false); }

/* A guest that is being started again, or rests before it is, is as off as it can be. */
static int kvm_power_down(struct platform_instance *instance)
{
        struct kvm *k = container_of(instance, struct kvm, instance);

        if (k->is_ready && k->how == HOW_UNKNOWN && !k->rest.loop)
                return monitor_client_ask(k->client, "power-down");
        if (k->how != HOW_UNKNOWN && !ways[k->how].starts_again)
                return 0;
        k->powers_down = true;
        return process_signal(&k->process, SIGKILL);
}

static int kvm_kill(struct platform_instance *instance)
{
        struct kvm *k = container_of(instance, struct kvm, instance);

        k->killed = true;
        return process_signal(&k->process, SIGKILL);
}

const struct platform_ops kvm_platform = {
        .name = "kvm",
        .waits_for_servers = true,
        .probe = kvm_platform_probe,
        .check = kvm_args_check,
        .bring_up = kvm_bring_up,
        .resume = kvm_resume,
        .pause = kvm_pause,
        .power_down = kvm_power_down,
        .kill = kvm_kill,
        .free = kvm_free,
};
