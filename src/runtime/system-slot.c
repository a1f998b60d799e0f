/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The life of a machine ends for us when its pipe of reports ends: then janitor and supervisor are both gone, whichever
 * was killed, and the folder may be used again.
 */
#include "runtime/system-slot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"

void slot_init(struct system_slot *slot, struct loop *loop, struct log_collector *log,
               const struct supervisor_options *base, struct planned_machine *machine, const struct run_dir *dir,
               const struct slot_events *events, void *data)
{
        *slot = (struct system_slot){ .base = base,
                                      .machine = machine,
                                      .dir = dir,
                                      .events = events,
                                      .data = data,
                                      .loop = loop,
                                      .log = log,
                                      .report_fd = -1,
                                      .orders_fd = -1 };
}

static bool wants_again(const struct system_slot *slot)
{
        /* One that was never created would fail the same way again. */
        if (slot->is_stopping || slot->last.how == END_KILLED || !slot->has_run)
                return false;
        switch (slot->machine->restart) {
        case RESTART_NEVER:
                return false;
        case RESTART_ON_FAILURE:
                return slot->last.how != END_POWERED_OFF;
        case RESTART_ALWAYS:
                return true;
        }
        return false;
}

static void report_end(struct system_slot *slot, bool again)
{
        json_t *message = json_pack("{ss, ss, ss, sb}", "event", "ended", "how", machine_end_name(slot->last.how),
                                    "text", slot->last.text, "again", (int) again);

        slot->events->report(slot, message);
        json_decref(message);
}

static void on_delay_over(struct timer *t) { slot_start(container_of(t, struct system_slot, delay)); }

static void life_ended(struct system_slot *slot)
{
        const char *id = slot->machine->machine.id;
        uint64_t now_ns = clock_now_ns(), delay_ns = 0;
        bool again = wants_again(slot);

        if (again && !restart_policy_ended(&slot->policy, now_ns, slot->running_ns, &delay_ns)) {
                log_collector_line(slot->log, "system", "%s is not started again: %s", id,
                                   restart_policy_verdict(&slot->policy));
                again = false;
        }
        log_collector_line(slot->log, "system", "%s ended: %s%s%s%s", id, machine_end_name(slot->last.how),
                           slot->last.text[0] ? ": " : "", slot->last.text, again ? "; starts again" : "");
        report_end(slot, again);
        if (again) {
                slot->status = SLOT_DELAYED;
                timer_start(&slot->delay, slot->loop, now_ns + delay_ns, on_delay_over);
        } else {
                slot->status = SLOT_OVER;
                slot->events->over(slot);
        }
}

/* Reads "how" back from its name. */
static enum machine_end end_of(const char *name)
{
        static const enum machine_end all[] = { END_POWERED_OFF, END_RESET, END_PANICKED, END_CRASHED, END_KILLED };

        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                if (strcmp(machine_end_name(all[i]), name) == 0)
                        return all[i];
        return END_FAILED;
}

static void take_report(struct system_slot *slot, const json_t *message)
{
        const char *event = report_text(message, "event");

        if (strcmp(event, "ended") == 0) {
                slot->last.how = end_of(report_text(message, "how"));
                (void) snprintf(slot->last.text, sizeof(slot->last.text), "%s", report_text(message, "text"));
                return;
        }
        slot->events->report(slot, message);
        if (strcmp(event, "running") == 0 && slot->running_ns == 0) {
                slot->running_ns = clock_now_ns();
                slot->has_run = true;
                slot->events->running(slot);
        }
}

static void on_reports(struct watch *w, uint32_t events)
{
        struct system_slot *slot = container_of(w, struct system_slot, watch);
        json_t *message;
        int r;

        while ((r = report_receive(&slot->reports, slot->report_fd, &message)) > 0) {
                take_report(slot, message);
                json_decref(message);
        }
        if (r == -EAGAIN)
                return;
        watch_stop(w);
        fd_close(&slot->report_fd);
        fd_close(&slot->orders_fd);
        while (waitpid(slot->janitor, NULL, 0) < 0 && errno == EINTR)
                ;
        life_ended(slot);
}

static int try_start(struct system_slot *slot)
{
        auto_cleanup(closep) int report_fd = -1;
        auto_cleanup(closep) int orders_fd = -1;
        struct supervisor_options options = *slot->base;
        int r;

        r = report_pipe(&slot->report_fd, &report_fd);
        if (r == 0)
                r = report_pipe(&orders_fd, &slot->orders_fd);
        if (r == 0)
                r = fd_set_nonblock(slot->report_fd, 1);
        if (r < 0)
                return r;
        options.dir = slot->dir;
        options.machine = slot->machine;
        options.report_fd = report_fd;
        options.orders_fd = orders_fd;
        options.begin_ns = clock_now_ns();
        slot->janitor = supervisor_start(&options);
        if (slot->janitor < 0)
                return slot->janitor;
        r = watch_start(&slot->watch, slot->loop, slot->report_fd, EPOLLIN, on_reports);
        if (r == 0)
                slot->events->started(slot);
        return r;
}

void slot_start(struct system_slot *slot)
{
        int r;

        slot->status = SLOT_ALIVE;
        slot->running_ns = 0;
        slot->reports.used = 0;
        slot->last = (struct end){ .how = END_FAILED, .text = "supervisor and janitor were killed" };
        r = try_start(slot);
        if (r == 0)
                return;
        fd_close(&slot->report_fd);
        fd_close(&slot->orders_fd); /* ends one that was forked after all */
        (void) snprintf(slot->last.text, sizeof(slot->last.text), "its supervisor cannot be started: %s", strerror(-r));
        life_ended(slot);
}

void slot_give_up(struct system_slot *slot, const char *why)
{
        slot->last = (struct end){ .how = END_FAILED };
        (void) snprintf(slot->last.text, sizeof(slot->last.text), "%s", why);
        slot->is_stopping = true;
        life_ended(slot);
}

void slot_stop(struct system_slot *slot, unsigned grace_ms)
{
        slot->is_stopping = true;
        switch (slot->status) {
        case SLOT_WAITING:
        case SLOT_DELAYED:
                timer_stop(&slot->delay);
                slot->status = SLOT_OVER;
                slot->events->over(slot);
                break;
        case SLOT_ALIVE:
                report_send(slot->orders_fd, json_pack("{ss, si}", "order", "stop", "graceMs", (int) grace_ms));
                break;
        case SLOT_OVER:
                break;
        }
}

void slot_order(struct system_slot *slot, json_t *message_take)
{
        report_send(slot->status == SLOT_ALIVE ? slot->orders_fd : -1, message_take);
}
