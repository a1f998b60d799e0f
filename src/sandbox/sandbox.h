/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Lock-down of a process that serves guests (device server, monitor), in stages, after everything is open and
 * before any guest byte is read:
 *
 *   sandbox_enter()         no new privileges, no capabilities (caps.c), limits, Landlock
 *                           (landlock.c). Caller: the only thread, so that later ones inherit it
 *   [worker threads start]
 *   sandbox_filter_calls()  seccomp allow-list on all threads (seccomp.c). From here on there are no
 *                           new threads and no other programs
 *
 * A process whose threads are of several kinds gives each kind a list of its own: `own_threads` is set, each
 * such thread calls sandbox_filter_thread() as its last act before it serves, and sandbox_filter_calls() takes the
 * calling thread only.
 *
 * A system call that is not on the list ends the process by SIGSYS, after one line that names it.
 *
 * Where the kernel lacks a stage, or has an older version of it, the rest is still done; --log-level debug
 * says what was in force. Sanitizer builds leave out what sanitizers cannot live with.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One allowed call, or one that fails; with a check only where (argument & mask) == value.
   Several entries of one name: any of them. */
struct sandbox_call {
        const char *name; /* as in syscalls(2); one that this architecture does not have is left out */
        bool check;
        uint8_t argument; /* 0 to 5 */
        uint64_t mask, value;
        int error; /* not 0: it is not done and fails with this errno */
};

#define SANDBOX_CALL(call_name) { .name = (call_name) }
#define SANDBOX_CALL_ERROR(call_name, number) { .name = (call_name), .error = (number) }
#define SANDBOX_CALL_IF(call_name, arg, bits, result) \
        { .name = (call_name), .check = true, .argument = (arg), .mask = (bits), .value = (result) }

enum sandbox_access {
        SANDBOX_READ = 1,   /* files below: open and read; list folders */
        SANDBOX_WRITE = 2,  /* files below: open, write, truncate */
        SANDBOX_CREATE = 4, /* make regular files and sockets below, rename and remove */
        SANDBOX_REMOVE = 8, /* remove files below, nothing else */
        SANDBOX_DEVICE = 16, /* ioctls on device files below */
};

#define SANDBOX_PATHS_MAX 64
#define SANDBOX_LISTS_MAX 8

struct sandbox {
        const char *subject; /* of log lines; borrowed */
        const struct sandbox_call *lists[SANDBOX_LISTS_MAX]; /* borrowed; each ends with a NULL name */
        size_t n_lists;
        struct {
                int fd; /* owned: O_PATH */
                unsigned access;
        } paths[SANDBOX_PATHS_MAX];
        size_t n_paths;
        bool network; /* may open TCP connections and ports later; abstract sockets stay closed */
        uint64_t n_files_max; /* RLIMIT_NOFILE */
        bool own_threads;     /* all other threads filter themselves: leave them alone */
        bool off;             /* set by who fills this: what it uses cannot live in a sandbox */
};

void sandbox_init(struct sandbox *s, const char *subject);
void sandbox_deinit(struct sandbox *s);

/* Adds a list of calls to the common one. Return: 0 or -ENOSPC. */
int sandbox_allow_calls(struct sandbox *s, const struct sandbox_call *calls);

/* Leaves a folder (and all below) or a file reachable. Return: 0; -ENOSPC; a negative errno of open(2). */
int sandbox_allow_path(struct sandbox *s, const char *path, unsigned access);

/* Lets a file be removed, such as a socket at the end. Return: 0; -ENOSPC; a negative errno of open(2). */
int sandbox_allow_removal(struct sandbox *s, const char *path);

/* Return: 0; a negative errno after which the process must not serve anybody. */
int sandbox_enter(struct sandbox *s);
int sandbox_filter_calls(struct sandbox *s);

/*
 * The list of one kind of threads: compiled once, loaded by each of them for itself. Much smaller than the common
 * list: locks, eventfds, its own memory, time, its end, and what @calls adds (ends with a NULL name).
 * @subject: as in struct sandbox; there is one for the process, the last one counts.
 */
struct sandbox_thread_filter;
int sandbox_thread_filter_new(const char *subject, const struct sandbox_call *calls,
                              struct sandbox_thread_filter **ret);
struct sandbox_thread_filter *sandbox_thread_filter_free(struct sandbox_thread_filter *f);
/* Any thread, more than once at a time; after sandbox_enter(). Return: 0 or a negative errno. */
int sandbox_filter_thread(const struct sandbox_thread_filter *f);

/* The stages, for sandbox.c. */
int sandbox_drop_capabilities(const struct sandbox *s);
int sandbox_restrict_files(const struct sandbox *s);
int sandbox_load_filter(const struct sandbox *s);
int sandbox_report_init(const char *subject);

/* True in builds with AddressSanitizer, ThreadSanitizer ...: they open files, trace and start threads at will. */
bool sandbox_sanitizer_build(void);
