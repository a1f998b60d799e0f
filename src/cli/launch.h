/* SPDX-License-Identifier: MPL-2.0 */
/* From a bundle to a machine that is created: what `create` and `run` have in common. */
#pragma once

#include "cli/command.h"
#include "runtime/janitor.h"
#include "runtime/plan.h"
#include "runtime/report.h"

#define LAUNCHED_NONE ((struct launched){ .report_fd = -1, .orders_fd = -1, .log_fd = -1 })

#define LAUNCH_LOG_TAIL_BYTES 4096

/* A machine whose supervisor was started, as its starter sees it. */
struct launched {
        char *id;
        struct plan *plan;
        pid_t janitor;
        int report_fd, orders_fd; /* owned; orders_fd is -1 if the machine outlives its starter */
        int log_fd;               /* owned: to show the log of a machine whose folder is gone */
        struct report_reader reports;
};

struct launch_options {
        const char *bundle, *id; /* id: NULL is the bundle's name */
        const char *platform, *parameters;
        enum janitor_mode mode;
        bool outlives; /* no orders, and no end with the starter */
};

/**
 * launch() - read a bundle, plan it and start its supervisor
 *
 * Return: STATUS_OK with *ret to be deinitialised by the caller; another status after an error was logged.
 */
int launch(const struct invocation *inv, const struct launch_options *options, struct launched *ret);

/**
 * launch_wait_created() - wait until the machine is created
 *
 * Return: STATUS_OK; STATUS_FAILED after the reason was logged, the end of the machine's log shown, and nothing of the
 * machine is left.
 */
int launch_wait_created(struct launched *l);

void launched_deinit(struct launched *l);

/* The exit status of a machine's or system's janitor, once it has ended; STATUS_FAILED if it was killed. */
int launch_wait_end(pid_t janitor);

/* The log of a run folder, which can be shown even when the folder is gone. Return: an fd, or -1. */
int launch_open_log(const char *folder);

/* Says why store_create() gave no folder for a machine, and what helps. */
void launch_log_folder_error(const char *id, const char *root, int error);

/* Shows the last lines of a log on stderr, at most LAUNCH_LOG_TAIL_BYTES. */
void launch_show_log(int log_fd);

/* Logs why a machine ended, if that is worth a word. */
void launch_log_end(const char *id, const json_t *report);
