/* SPDX-License-Identifier: MPL-2.0 */
/* What the files of the machine's supervisor share. Everything lives in its one process and on its one loop. */
#pragma once

#include "base/control.h"
#include "platform/platform.h"
#include "runtime/keeper.h"
#include "runtime/server-set.h"
#include "runtime/state.h"
#include "runtime/supervisor.h"

#define SUBJECT "supervisor"

/* What requests wait for. */
enum waits_for { WAITS_NOTHING, WAITS_RUNNING, WAITS_PAUSED };

struct supervisor {
        const struct supervisor_options *options;
        const struct machine *machine;
        struct keeper keeper;
        struct control control;
        struct machine_state state;
        bool state_is_behind; /* state.json could not be written */

        struct server_set servers; /* the machine's own */

        const struct platform_ops *platform;
        struct platform_probe probe;
        struct platform_instance *instance; /* owned; NULL before it is brought up and after the end */
        bool is_brought_up; /* the platform is ready, and so is every server */
        bool is_platform_ready;
        bool is_pausing;

        struct timer grace;
        bool is_ending;
        struct end end; /* valid when ending */
        struct task end_task;
};

/* supervisor.c */

/* The machine is over: stops everything and leaves the loop. Only the first call counts. Any callback may call it. */
void supervisor_end(struct supervisor *s, enum machine_end how, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Lets the guest's CPUs run. Return: 0 or a negative errno. */
int supervisor_resume(struct supervisor *s);

/* Asks the guest to power down and ends it when @grace_ms are over; 0: at once. */
void supervisor_stop(struct supervisor *s, unsigned grace_ms);

/* Milliseconds since the beginning. */
int64_t supervisor_ms(const struct supervisor *s);

void supervisor_report(struct supervisor *s, const char *event);

/* supervisor-state.c */

/* Fills in all that is known before anything is started. Return: 0 or a negative errno. */
int supervisor_state_init(struct supervisor *s);
/* Sets the status, writes state.json, and answers who waited for it. */
void supervisor_set_status(struct supervisor *s, enum machine_status status);
/* Notes who serves the devices of a server. */
void supervisor_set_server(struct supervisor *s, const char *server, pid_t pid, unsigned n_restarts);
void supervisor_save(struct supervisor *s);

/* supervisor-control.c */

int supervisor_control_open(struct supervisor *s);
void supervisor_follow_order(struct keeper *k, const json_t *message);
