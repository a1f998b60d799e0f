/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/janitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/process.h"
#include "runtime/log-collector.h"
#include "runtime/report.h"
#include "runtime/state.h"

#define PASS_FDS_MAX 80

static const char *const end_names[] = {
        [END_POWERED_OFF] = "powered-off", [END_RESET] = "reset",   [END_PANICKED] = "panicked",
        [END_CRASHED] = "crashed",         [END_KILLED] = "killed", [END_FAILED] = "failed",
};

const char *machine_end_name(enum machine_end how) { return end_names[how]; }

int end_exit_status(enum machine_end how)
{
        static const int statuses[] = {
                [END_POWERED_OFF] = 0, [END_RESET] = 3,    [END_PANICKED] = 4,
                [END_CRASHED] = 5,     [END_KILLED] = 137, [END_FAILED] = 1,
        };

        return statuses[how];
}

static int compare_fds(const void *a, const void *b) { return *(const int *) a - *(const int *) b; }

/* Closes every descriptor above the standard ones but these. Other machines' pipes and locks must not live on here. */
static void close_others(int *keep, size_t n_keep)
{
        unsigned from = 3;

        qsort(keep, n_keep, sizeof(*keep), compare_fds);
        for (size_t i = 0; i < n_keep; i++) {
                if (keep[i] < (int) from)
                        continue;
                if (keep[i] > (int) from)
                        (void) syscall(SYS_close_range, from, keep[i] - 1, 0);
                from = (unsigned) keep[i] + 1;
        }
        (void) syscall(SYS_close_range, from, ~0U, 0);
}

static void stdio_to_null(void)
{
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        for (int i = 0; i < 3 && fd >= 0; i++)
                (void) dup2(fd, i);
        if (fd > 2)
                (void) close(fd);
}

/* Whatever of the machine is left has lost its parent and become a child of ours. */
static void kill_children(void)
{
        auto_cleanup(freep) char *text = NULL;
        size_t n;

        if (fd_read_file("/proc/thread-self/children", 65536, &text, &n) < 0)
                return;
        for (char *at = text, *end; *at; at = end) {
                long pid = strtol(at, &end, 10);

                if (end == at)
                        break;
                if (pid > 0)
                        (void) kill((pid_t) pid, SIGKILL);
        }
}

/* Return: the supervisor's wait status, once no descendant is left. */
static int wait_for_all(pid_t supervisor, bool waits_only)
{
        bool is_gone = false;
        int result = 0;

        for (;;) {
                int status;
                pid_t pid;

                if (is_gone && !waits_only)
                        kill_children();
                pid = waitpid(-1, &status, 0);
                if (pid < 0 && errno == ECHILD)
                        return result;
                if (pid == supervisor) {
                        result = status;
                        is_gone = true;
                }
        }
}

static void log_end(const char *folder, const struct end *end)
{
        struct log_collector log;

        if (log_collector_open(&log, folder) == 0)
                log_collector_line(&log, "janitor", "ended: %s%s%s", machine_end_name(end->how),
                                   end->text[0] ? ": " : "", end->text);
        log_collector_close(&log);
}

/* Return: true if the folder is to be removed. */
static bool save_stopped(const char *folder, enum janitor_mode mode, const struct end *end)
{
        auto_cleanup(machine_state_deinit) struct machine_state state;
        int r;

        machine_state_init(&state);
        r = machine_state_load(folder, &state);
        if (r < 0 || (mode == JANITOR_KEEP && state.status == MACHINE_CREATING))
                return mode == JANITOR_KEEP;
        state.status = MACHINE_STOPPED;
        for (size_t i = 0; i < state.n_devices; i++)
                state.devices[i].server_pid = 0;
        (void) state_set_text(&state.end, machine_end_name(end->how));
        (void) state_set_text(&state.reason, end->text[0] ? end->text : NULL);
        r = machine_state_save(&state, folder);
        if (r == -ENOSPC) {
                run_dir_make_room(folder);
                (void) machine_state_save(&state, folder);
        }
        return false;
}

static void clean_up(const struct janitor_options *options, const struct end *end)
{
        auto_cleanup(closep) int lock = run_root_lock(options->dir->root);
        bool remove = options->mode == JANITOR_REMOVE;

        (void) lock;
        if (!remove) {
                run_dir_strip(options->dir->path, options->keep);
                log_end(options->dir->path, end);
                remove = save_stopped(options->dir->path, options->mode, end);
        }
        if (remove)
                (void) run_dir_remove(options->dir->path);
        for (const char *const *path = options->more_paths; path && *path; path++)
                (void) run_dir_remove(*path);
}

static void report_end(int report_fd, const struct end *end)
{
        report_send(report_fd,
                    json_pack("{ss, ss, ss}", "event", "ended", "how", machine_end_name(end->how), "text", end->text));
}

static void janitor_main(const struct janitor_options *options, pid_t supervisor, int end_fd)
{
        struct end end;
        char how[64];
        int status;

        status = wait_for_all(supervisor, options->waits_only);
        if (fd_read_full(end_fd, &end, sizeof(end)) < 0) {
                end.how = END_FAILED;
                (void) snprintf(end.text, sizeof(end.text), "the supervisor %s",
                                process_status_text(status, how, sizeof(how)));
        }
        clean_up(options, &end);
        report_end(options->report_fd, &end);
        _exit(end_exit_status(end.how));
}

static void supervisor_main(pid_t janitor, int end_fd, void (*supervise)(struct janitor_link *link, void *data),
                            void *data)
{
        struct janitor_link link = { .janitor_pid = janitor, .end_fd = end_fd };
        sigset_t none;

        (void) prctl(PR_SET_NAME, "busbar-superv");
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) signal(SIGPIPE, SIG_IGN);
        link.janitor_pidfd = (int) syscall(SYS_pidfd_open, janitor, 0);
        if (link.janitor_pidfd >= 0 && getppid() == janitor)
                supervise(&link, data);
        _exit(EXIT_SUCCESS);
}

/* In the first child: becomes the janitor, and forks the supervisor. */
static void first_child(const struct janitor_options *options, void (*supervise)(struct janitor_link *link, void *data),
                        void *data)
{
        int keep[2 * PASS_FDS_MAX + 4], ends[2];
        pid_t self = getpid(), pid;
        sigset_t all;
        size_t n = 0;

        (void) setsid();
        (void) prctl(PR_SET_NAME, "busbar-janitor");
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
        sigfillset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, NULL);
        (void) signal(SIGCHLD, SIG_DFL);
        stdio_to_null();
        if (chdir("/") < 0 || pipe2(ends, O_CLOEXEC) < 0)
                _exit(EXIT_FAILURE);
        for (size_t i = 0; i < options->n_pass_fds; i++)
                if (options->pass_fds[i] >= 0)
                        keep[n++] = options->pass_fds[i];
        for (size_t i = 0; i < options->n_lock_fds; i++)
                keep[n++] = options->lock_fds[i];
        keep[n++] = ends[0];
        keep[n++] = ends[1];
        keep[n++] = options->dir->lock_fd;
        if (options->report_fd >= 0)
                keep[n++] = options->report_fd;
        log_set_file(-1, false); /* the starter's; its number may soon be another file's */
        close_others(keep, n);

        pid = fork();
        if (pid == 0) {
                (void) close(ends[0]);
                supervisor_main(self, ends[1], supervise, data);
        }
        (void) close(ends[1]);
        for (size_t i = 0; i < options->n_pass_fds; i++)
                if (options->pass_fds[i] >= 0)
                        (void) close(options->pass_fds[i]);
        janitor_main(options, pid, ends[0]);
}

pid_t janitor_start(const struct janitor_options *options, void (*supervise)(struct janitor_link *link, void *data),
                    void *data)
{
        pid_t pid;

        if (options->n_pass_fds > PASS_FDS_MAX || options->n_lock_fds > PASS_FDS_MAX)
                return -E2BIG;
        pid = fork();
        if (pid == 0)
                first_child(options, supervise, data);
        return pid < 0 ? -errno : pid;
}

void janitor_finish(struct janitor_link *link, const struct janitor_options *options, const struct end *end)
{
        if (getppid() == link->janitor_pid && fd_write_full(link->end_fd, end, sizeof(*end)) == 0)
                return;
        clean_up(options, end);
        report_end(options->report_fd, end);
}
