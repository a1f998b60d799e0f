/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Driver rung: starts a device server as a process of its own, waits until it is ready, and collects its
 * log and its end. The guest's side is vhost/driver.h.
 *
 *      struct harness h;
 *      const char *words[] = { "rng", "--socket-path", harness_path(&h, "s"), NULL };
 *
 *      harness_init(&h);                      a folder for sockets and images
 *      harness_start(&h, words);              `busbar device rng ...`, ready
 *      vhost_driver_start(&d, ...);           drive it
 *      assert_int_equal(harness_stop(&h), 0); orderly end: its exit status
 *      harness_deinit(&h);                    kills what still runs, removes the folder
 *
 * One process at a time a harness; several harnesses may be used together. What the server logged goes to
 * the test's output when a harness ends, so that a failed run can be understood.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/process.h"

struct loop;

#define HARNESS_PATHS_MAX 32
#define HARNESS_TIMEOUT_MS 30000 /* sanitizers on a loaded machine are slow */

struct harness {
        struct loop *loop;      /* owned */
        struct process process;
        bool ended;
        int status;             /* as of waitpid(2), when ended */
        int log_fd;             /* owned: the server's stderr, of all its starts */
        int out_fd;             /* owned: its stdout */
        char *text;             /* owned: last harness_log() */
        char folder[64];        /* "" before init */
        char paths[HARNESS_PATHS_MAX][128];
        size_t n_paths;
};

/* Return: 0 or a negative errno. */
int harness_init(struct harness *h);
void harness_deinit(struct harness *h);

/* Path of @name in the harness's folder; valid until deinit. */
const char *harness_path(struct harness *h, const char *name);

/**
 * harness_start() - start `busbar device WORDS... --ready-fd=3` and wait until it is ready
 * @words: type and its options, NULL-terminated
 *
 * Return: 0 ready; -ECHILD if it ended instead, see harness_log(); -ETIMEDOUT; a negative errno.
 */
int harness_start(struct harness *h, const char *const *words);

/* The same, with descriptors for the server (not 0 to 3). */
int harness_start_with(struct harness *h, const char *const *words, const struct process_fd *fds, size_t n_fds);

/* Runs `busbar WORDS...` to its end. Return: its exit status, or a negative errno. */
int harness_run(struct harness *h, const char *const *words);

/* Sends SIGTERM and waits. Return: exit status; -EINTR if a signal ended it (sanitizers abort so); -ETIMEDOUT. */
int harness_stop(struct harness *h);
/* Waits for an end by itself. Return: as harness_stop(). */
int harness_wait(struct harness *h);
/* kill -9, and waits. */
void harness_kill(struct harness *h);

bool harness_running(struct harness *h);
pid_t harness_pid(const struct harness *h);

/* All that was logged up to now; valid until the next call. */
const char *harness_log(struct harness *h);
/* What harness_run() printed. */
const char *harness_output(struct harness *h);
/* Waits until the log holds @text. Return: 0 or -ETIMEDOUT. */
int harness_wait_log(struct harness *h, const char *text);

/* CPU time that the server has used, in milliseconds. */
long harness_cpu_ms(struct harness *h);
/* RssAnon + RssFile of the server, in KiB. */
long harness_rss_kib(struct harness *h);
