/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Run folders: where a machine's (or a system's) state, sockets and logs live while it exists.
 *
 *      ROOT/            locked (flock) for the moment in which a folder is made, found stale, or removed
 *      ROOT/ID/         a machine, mode 0700; locked as long as a process is there that looks after it
 *      ROOT/@NAME/      a system, likewise; '@' cannot begin a machine's id
 *
 * The locks are on the folders themselves, so no lock files are left.
 * A process that looks after a folder inherits the lock's descriptor by fork; the kernel releases the lock when the
 * last of them is gone, whatever ended it. So "is somebody there" needs no process id, which could be another's by now.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

#define RUN_NAME_MAX 64

struct run_dir {
        char *root;  /* owned */
        char *path;  /* owned: ROOT/NAME */
        int lock_fd; /* owned; holds the lock */
};

#define RUN_DIR_NONE ((struct run_dir){ .lock_fd = -1 })

/* An absolute path; owned by the caller. Return: 0 or a negative errno. */
int run_root_path(const char *given, char **ret);

/* Makes the folder and its parents. Return: 0; -EPERM if it is another user's; a negative errno. */
int run_root_prepare(const char *root);

/* Waits for and takes the lock of the whole root. Return: an fd whose closing releases it, or a negative errno. */
int run_root_lock(const char *root);

/* Letters, digits and "-_.+" after a letter or digit; at most RUN_NAME_MAX bytes. */
bool run_name_valid(const char *name);

/**
 * run_dir_create() - make and lock a run folder
 *
 * A stale folder of that name is the caller's to clean up first (store_refresh()).
 *
 * Return: 0; -EEXIST; another negative errno.
 */
int run_dir_create(const char *root, const char *name, struct run_dir *ret);

/* Frees and closes; the folder stays. */
void run_dir_deinit(struct run_dir *d);

/* Does a process look after this folder? */
bool run_dir_in_use(const char *path);

/**
 * run_dir_wait() - wait until nobody looks after the folder any more, or it is gone
 *
 * Uses SIGALRM; for the command line, not for a process with a loop.
 *
 * Return: 0; -ETIMEDOUT; a negative errno.
 */
int run_dir_wait(const char *path, unsigned timeout_ms);

/**
 * run_dir_strip() - remove what a dead machine cannot need: sockets, fifos, links, half-written state, servers' files
 * @keep: names that stay, NULL-terminated; NULL: none
 */
void run_dir_strip(const char *path, const char *const *keep);

/* Makes a few KiB of room on a full disk at the expense of the logs. */
void run_dir_make_room(const char *path);

/* Removes the folder with all that is in it. Return: 0 (also if there is none) or a negative errno. */
int run_dir_remove(const char *path);

/**
 * run_dir_remove_remains() - remove a folder that holds nothing but what of ours has no state
 *
 * That is a system's folder, or one that its maker died over before it wrote a state: it holds logs, a control socket
 * and half-written state at most. Whatever else is in the root, perhaps because the root is a wrong one, is not ours.
 *
 * Return: 0; -ENOTEMPTY if there is more in it; another negative errno.
 */
int run_dir_remove_remains(const char *path);

/* Joins with a slash. Return: NULL without memory; owned by the caller. */
char *path_join(const char *folder, const char *name);

static inline void run_dir_deinitp(struct run_dir *d) { run_dir_deinit(d); }
