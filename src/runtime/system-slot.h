/* SPDX-License-Identifier: MPL-2.0 */
/* One machine of a system, as the system's supervisor sees it: started, followed by its reports, started again. */
#pragma once

#include "base/loop.h"
#include "runtime/log-collector.h"
#include "runtime/report.h"
#include "runtime/restart-policy.h"
#include "runtime/supervisor.h"

struct system_slot;

enum slot_status { SLOT_WAITING, SLOT_ALIVE, SLOT_DELAYED, SLOT_OVER };

struct slot_events {
        /* A life has begun; it can be sent orders. */
        void (*started)(struct system_slot *slot);
        /* A report of the machine's supervisor, borrowed. */
        void (*report)(struct system_slot *slot, const json_t *message);
        /* It started to run; with that others may start. */
        void (*running)(struct system_slot *slot);
        /* It is over and will not be started again. May come while slot_start() or slot_stop() is under way. */
        void (*over)(struct system_slot *slot);
};

struct system_slot {
        const struct supervisor_options *base; /* borrowed: what all machines of the system have in common */
        struct planned_machine *machine;
        const struct run_dir *dir;
        const struct slot_events *events;
        void *data;
        struct loop *loop;
        struct log_collector *log;

        enum slot_status status;
        bool is_stopping; /* it ends because we want it to */
        bool has_run;
        struct end last; /* how it ended last */
        pid_t janitor;
        int report_fd, orders_fd; /* owned */
        struct report_reader reports;
        struct watch watch;
        struct timer delay;
        uint64_t running_ns; /* of this life; 0: not yet */
        struct restart_policy policy;
};

void slot_init(struct system_slot *slot, struct loop *loop, struct log_collector *log,
               const struct supervisor_options *base, struct planned_machine *machine, const struct run_dir *dir,
               const struct slot_events *events, void *data);

/* Starts it; a failure to do so is an end like others. */
void slot_start(struct system_slot *slot);

/* Orders it to end; one that has not been started is over at once. */
void slot_stop(struct system_slot *slot, unsigned grace_ms);

/* Tells the machine's supervisor who serves it from outside; takes the reference. */
void slot_order(struct system_slot *slot, json_t *message_take);

/* It cannot be started, as another did not. */
void slot_give_up(struct system_slot *slot, const char *why);
