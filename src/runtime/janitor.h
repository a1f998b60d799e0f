/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Who cleans up after the supervisor, whatever ended it.
 *
 *      starter ── fork ──► janitor ── fork ──► supervisor ──► servers, monitor
 *                             ▲                     │ dies            │ get SIGKILL, as their parent died
 *                             └── is their new parent (subreaper) ◄───┘
 *
 * The janitor does nothing but wait until all of its descendants are gone: then no process of the machine can be left,
 * and it removes sockets and files and writes the final state. It is in a session of its own and blocks all signals,
 * so only SIGKILL ends it early; the supervisor sees that and does the janitor's work itself before it ends. Should
 * both be killed at once, the lock of the run folder is free and the next command cleans up (store.h).
 *
 * Fork without exec: everything that the supervisor needs (the plan) is in memory already, so nothing has to be written
 * out, parsed and checked again, and no verb exists that others could call with a plan of their own. The starter has
 * one thread, so a fork is safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "platform/platform.h"
#include "runtime/run-dir.h"

#define END_TEXT_MAX 1000

/* How it ended; crosses a pipe from the supervisor to the janitor, so it gets through with a full disk. */
struct end {
        enum machine_end how;
        char text[END_TEXT_MAX + 1]; /* "" if there is nothing to add */
};

enum janitor_mode {
        JANITOR_KEEP,   /* leaves state "stopped" and the logs, unless the machine was never created */
        JANITOR_LEAVE,  /* the same, also then; the owner removes the folder */
        JANITOR_REMOVE, /* removes the folder */
};

struct janitor_options {
        const struct run_dir *dir;
        enum janitor_mode mode;
        const char *const *keep;       /* names in the folder that are not ours to remove, NULL-terminated; or NULL */
        const char *const *more_paths; /* more folders to remove, NULL-terminated; or NULL */
        bool waits_only;     /* descendants clean up by themselves when the supervisor dies: they are not killed */
        int report_fd;       /* borrowed; -1: none */
        const int *pass_fds; /* borrowed: what the supervisor keeps besides the locks and report_fd */
        size_t n_pass_fds;
        const int *lock_fds; /* borrowed: locks of more_paths, which both keep */
        size_t n_lock_fds;
};

/* The supervisor's link to its janitor. */
struct janitor_link {
        pid_t janitor_pid;
        int janitor_pidfd; /* owned: readable when the janitor was killed */
        int end_fd;        /* owned */
};

/**
 * janitor_start() - fork janitor and supervisor
 * @supervise: the supervisor's whole life; it calls janitor_finish() last. Its other descriptors are those named in
 *             @options, standard ones are /dev/null
 *
 * Return: the janitor's process id, a child of the caller's whose exit status is end_exit_status(); or a negative
 * errno.
 */
pid_t janitor_start(const struct janitor_options *options, void (*supervise)(struct janitor_link *link, void *data),
                    void *data);

/* Hands the end over to the janitor; or cleans up, if the janitor is gone. The caller exits next. */
void janitor_finish(struct janitor_link *link, const struct janitor_options *options, const struct end *end);

/* "powered-off", "reset", "panicked", "crashed", "killed", "failed" */
const char *machine_end_name(enum machine_end how);

/* 0 powered off, 1 failed, 3 reset, 4 panicked, 5 crashed, 137 killed (as a shell has it for SIGKILL) */
int end_exit_status(enum machine_end how);
