/* SPDX-License-Identifier: MPL-2.0 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"

#define PROCESS_FDS_MAX 80

/* Moved descriptors are parked above this before they get their numbers, so that none overwrites another. */
#define PARKING_FD 200

static int place_fds(const struct process_spec *spec)
{
        int parked[PROCESS_FDS_MAX], highest = 2;

        if (spec->n_fds > PROCESS_FDS_MAX)
                return -E2BIG;
        for (size_t i = 0; i < spec->n_fds; i++) {
                parked[i] = fcntl(spec->fds[i].fd, F_DUPFD_CLOEXEC, PARKING_FD);
                if (parked[i] < 0)
                        return -errno;
        }
        for (size_t i = 0; i < spec->n_fds; i++) {
                if (dup2(parked[i], spec->fds[i].as) < 0)
                        return -errno;
                highest = MAX(highest, spec->fds[i].as);
        }
        /* The rest goes at exec; descriptors in a gap below the highest placed one too. */
        for (int fd = 3; fd < highest; fd++) {
                bool placed = false;

                for (size_t i = 0; i < spec->n_fds; i++)
                        placed |= spec->fds[i].as == fd;
                if (!placed)
                        (void) fd_set_cloexec(fd, 1);
        }
        return syscall(SYS_close_range, highest + 1, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */) < 0 ? -errno : 0;
}

static void child_main(const struct process_spec *spec, pid_t parent, int report_fd)
{
        sigset_t none;
        int r;

        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) signal(SIGPIPE, SIG_DFL);
        r = prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : 0;
        if (r == 0 && getppid() != parent)
                r = -ESRCH;
        if (r == 0 && spec->new_session && setsid() < 0)
                r = -errno;
        if (r == 0 && (report_fd = fcntl(report_fd, F_DUPFD_CLOEXEC, PARKING_FD)) < 0)
                r = -errno;
        if (r == 0)
                r = place_fds(spec);
        if (r == 0) {
                if (spec->program)
                        execv(spec->program, (char *const *) spec->argv);
                else
                        execvp(spec->argv[0], (char *const *) spec->argv);
                r = -errno;
        }
        (void) fd_write_full(report_fd, &r, sizeof(r));
        _exit(127);
}

/*
 * A dead child that is traced is its tracer's until that one lets go: nothing can be reaped, though the pidfd is
 * readable. It is told again then, so the watch is for edges: another event comes, and none until then.
 */
static void on_exit_event(struct watch *w, uint32_t events)
{
        struct process *p = container_of(w, struct process, watch);
        int status = 0;

        if (waitpid(p->pid, &status, WNOHANG) != p->pid)
                return;
        watch_stop(&p->watch);
        fd_close(&p->pidfd);
        p->pid = 0;
        p->fn(p, status);
}

int process_start(struct process *p, struct loop *loop, const struct process_spec *spec, process_fn fn)
{
        auto_cleanup(closep) int read_end = -1;
        auto_cleanup(closep) int write_end = -1;
        pid_t parent = getpid(), pid;
        int ends[2], r, error = 0;

        *p = (struct process) { .pidfd = -1, .fn = fn };
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        read_end = ends[0];
        write_end = ends[1];

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                child_main(spec, parent, write_end);

        p->pid = pid;
        fd_close(&write_end);
        r = fd_read_full(read_end, &error, sizeof(error));
        if (r == 0) {
                (void) waitpid(pid, NULL, 0);
                p->pid = 0;
                return error;
        }
        p->pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        r = p->pidfd < 0 ? -errno : 0;
        if (r == 0)
                r = watch_start(&p->watch, loop, p->pidfd, EPOLLIN | EPOLLET, on_exit_event);
        if (r < 0)
                process_deinit(p);
        return r;
}

int process_signal(struct process *p, int signal_number)
{
        if (p->pid == 0)
                return -ESRCH;
        return syscall(SYS_pidfd_send_signal, p->pidfd, signal_number, NULL, 0) < 0 ? -errno : 0;
}

void process_join(struct process *p)
{
        if (p->pid == 0)
                return;
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        watch_stop(&p->watch);
        fd_close(&p->pidfd);
        p->pid = 0;
}

void process_deinit(struct process *p)
{
        if (p->pid != 0)
                (void) kill(p->pid, SIGKILL); /* not yet reaped, so the number is still its own */
        process_join(p);
}

const char *process_status_text(int status, char *buf, size_t n)
{
        if (WIFSIGNALED(status))
                (void) snprintf(buf, n, "was killed by SIG%s", sigabbrev_np(WTERMSIG(status)) ?: "?");
        else
                (void) snprintf(buf, n, "exited with status %d", WEXITSTATUS(status));
        return buf;
}
