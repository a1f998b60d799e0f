/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Child processes: started with exactly the file descriptors they are given, killed when their parent
 * dies, and watched through a pidfd so that their end is one more event of the loop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/loop.h"

struct process;
typedef void (*process_fn)(struct process *p, int status); /* status as of waitpid(2) */

struct process_fd {
        int fd; /* borrowed: the parent's */
        int as; /* number in the child; 0, 1, 2 replace the standard ones */
};

struct process_spec {
        const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH ... */
        const char *program;     /* ... unless this is set: a path, seen from the child */
        const struct process_fd *fds;
        size_t n_fds;
        bool new_session; /* setsid(): a terminal's ^C does not reach it */
};

struct process {
        pid_t pid; /* 0: not running */
        int pidfd; /* owned */
        struct watch watch;
        process_fn fn;
};

/**
 * process_start() - start a child
 *
 * Every descriptor but those of @spec and the standard ones is closed in the child; its signal mask is
 * empty and it gets SIGKILL when the thread that started it ends. The failure to execute it is
 * reported here, not by the child's status.
 *
 * Return: 0; @p calls @fn once when the child ended. Or a negative errno.
 */
int process_start(struct process *p, struct loop *loop, const struct process_spec *spec, process_fn fn);

/* Sends a signal to a running child; nothing else can get it, also if it has ended meanwhile. */
int process_signal(struct process *p, int signal_number);

/* Waits for a child that ends by itself, without calling its function; no signal is needed. Idempotent. */
void process_join(struct process *p);

/* Kills and reaps a running child without calling its function. Idempotent. */
void process_deinit(struct process *p);

/* What a sentence says of the process, "exited with status 3" or "was killed by SIGKILL";
   into buf, which is returned. */
const char *process_status_text(int status, char *buf, size_t n);
