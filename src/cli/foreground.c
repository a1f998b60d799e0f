/* SPDX-License-Identifier: MPL-2.0 */
#include "cli/foreground.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "cli/terminal.h"
#include "runtime/keeper.h"
#include "runtime/report.h"

int foreground_open_signals(void)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void stop(struct foreground *f)
{
        int grace_ms = f->n_stops++ == 0 ? STOP_GRACE_MS : 0;

        log_info(f->subject, grace_ms > 0 ? "asked to power down; once more ends it at once" : "ends at once");
        report_send(f->orders_fd, json_pack("{ss, si}", "order", "stop", "graceMs", grace_ms));
}

static bool take_report(struct foreground *f)
{
        json_t *report;
        bool goes_on;

        if (report_receive(f->reports, f->report_fd, &report) <= 0)
                return false;
        goes_on = f->report(f->data, report);
        json_decref(report);
        return goes_on;
}

void foreground_watch(struct foreground *f)
{
        for (;;) {
                struct signalfd_siginfo info;
                bool waits = report_waits(f->reports);
                struct pollfd fds[] = {
                        { .fd = f->report_fd, .events = POLLIN },
                        { .fd = f->signal_fd, .events = POLLIN },
                        { .fd = f->terminal ? terminal_input_fd(f->terminal) : -1, .events = POLLIN },
                        { .fd = f->terminal ? f->terminal->socket_fd : -1, .events = POLLIN },
                };

                if (poll(fds, ARRAY_SIZE(fds), waits ? 0 : -1) < 0 && errno != EINTR)
                        return;
                if (fds[3].revents)
                        (void) terminal_take_output(f->terminal);
                if (fds[1].revents && read(f->signal_fd, &info, sizeof(info)) == sizeof(info))
                        stop(f);
                if (fds[2].revents && terminal_take_input(f->terminal))
                        stop(f);
                if ((waits || fds[0].revents) && !take_report(f))
                        return;
        }
}
