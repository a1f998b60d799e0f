/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/keeper.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"

#define GRACE_MS_MAX 3600000

unsigned grace_of(const json_t *message)
{
        json_int_t ms = json_integer_value(json_object_get(message, "graceMs"));

        return (unsigned) MAX(MIN(ms, GRACE_MS_MAX), 0);
}

static void on_orders(struct watch *w, uint32_t events)
{
        struct keeper *k = container_of(w, struct keeper, orders_watch);
        json_t *message;
        int r;

        while ((r = report_receive(&k->orders, k->orders_fd, &message)) > 0) {
                k->events->order(k, message);
                json_decref(message);
        }
        if (r == -EAGAIN)
                return;
        watch_stop(w);
        k->events->orphaned(k, "the process that started it is gone");
}

static void on_janitor_gone(struct watch *w, uint32_t events)
{
        struct keeper *k = container_of(w, struct keeper, janitor_watch);

        watch_stop(w);
        k->events->orphaned(k, "its janitor was killed");
}

static void on_signal(struct watch *w, uint32_t events)
{
        struct keeper *k = container_of(w, struct keeper, signal_watch);
        struct signalfd_siginfo info;

        if (read(k->signal_fd, &info, sizeof(info)) == sizeof(info))
                k->events->terminate(k);
}

static int watch_signals(struct keeper *k)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (k->signal_fd < 0)
                return -errno;
        return watch_start(&k->signal_watch, k->loop, k->signal_fd, EPOLLIN, on_signal);
}

/* Our stderr becomes a source of the log. Its end does not block, as we are its reader as well. */
static int capture_stderr(struct keeper *k)
{
        auto_cleanup(closep) int fd = -1;
        int r;

        r = log_source_open(&k->stderr_source, k->loop, &k->log, "platform", &fd);
        if (r == 0)
                r = fd_set_nonblock(fd, 1);
        return r == 0 && dup2(fd, STDERR_FILENO) < 0 ? -errno : r;
}

static int watch_orders(struct keeper *k)
{
        int r;

        if (k->orders_fd < 0)
                return 0;
        r = fd_set_nonblock(k->orders_fd, 1);
        return r < 0 ? r : watch_start(&k->orders_watch, k->loop, k->orders_fd, EPOLLIN, on_orders);
}

int keeper_open(struct keeper *k, const char *folder, const struct janitor_link *link, int orders_fd,
                const struct keeper_events *events)
{
        int r;

        *k = (struct keeper){ .events = events, .orders_fd = orders_fd, .signal_fd = -1 };
        (void) log_collector_open(&k->log, folder);
        r = loop_new(&k->loop);
        if (r == 0)
                r = capture_stderr(k);
        if (r == 0)
                r = watch_signals(k);
        if (r == 0)
                r = watch_start(&k->janitor_watch, k->loop, link->janitor_pidfd, EPOLLIN, on_janitor_gone);
        return r < 0 ? r : watch_orders(k);
}

void keeper_close(struct keeper *k)
{
        log_source_close(&k->stderr_source);
        log_collector_close(&k->log);
}
