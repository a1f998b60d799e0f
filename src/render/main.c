/* SPDX-License-Identifier: MPL-2.0 */
/*
 * busbar-render: makes a process for each guest that has 3D (host.h). Started by the display server, ends with it.
 *
 * This process reads nothing of a guest's and loads no driver: it forks, so that a guest's process starts in no time
 * and the display server, which may start no programs once it serves, can have a new one when one died.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "render/host.h"
#include "render/process.h"
#include "sandbox/sandbox.h"

static pid_t processes[RENDER_SLOTS_MAX]; /* 0: none */

/* Return: the slot's number, with the socket that came along or -1; a negative errno: the display server is gone. */
static int receive(int *ret_fd)
{
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control;
        struct render_start start = { 0 };
        struct iovec part = { &start, sizeof(start) };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                                  .msg_controllen = sizeof(control) };
        struct cmsghdr *header;
        ssize_t n;

        do
                n = recvmsg(RENDER_HOST_FD, &message, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n != sizeof(start) || start.slot >= RENDER_SLOTS_MAX)
                return -ECONNRESET;
        *ret_fd = -1;
        header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
                memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
        return (int) start.slot;
}

static void end(pid_t *pid)
{
        char text[64];
        int status;

        if (*pid == 0)
                return;
        (void) kill(*pid, SIGKILL);
        if (waitpid(*pid, &status, 0) == *pid && WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
                log_warning("render", "a render process %s", process_status_text(status, text, sizeof(text)));
        *pid = 0;
}

/* Files that GL drivers read when they start; no others can be opened, and none be written. */
static int enter_sandbox(void)
{
        static const struct {
                const char *path;
                unsigned access;
        } paths[] = {
                { "/usr", SANDBOX_READ }, { "/lib", SANDBOX_READ }, { "/lib64", SANDBOX_READ },
                { "/etc", SANDBOX_READ }, { "/sys", SANDBOX_READ }, { "/proc/self", SANDBOX_READ },
                { "/proc/cpuinfo", SANDBOX_READ },
                { "/dev/dri", SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DEVICE },
        };
        struct sandbox sandbox;
        int r = 0;

        sandbox_init(&sandbox, "render");
        sandbox.n_files_max = 1024;
        for (size_t i = 0; r == 0 && i < sizeof(paths) / sizeof(paths[0]); i++) {
                r = sandbox_allow_path(&sandbox, paths[i].path, paths[i].access);
                if (r == -ENOENT)
                        r = 0;
        }
        if (r == 0)
                r = sandbox_enter(&sandbox);
        sandbox_deinit(&sandbox);
        return r;
}

/* Return: true in the new process. */
static bool begin(pid_t *pid, int fd)
{
        *pid = fork();
        if (*pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) close(RENDER_HOST_FD);
                return true;
        }
        if (*pid < 0) {
                log_error("render", "cannot make a process: %s", strerror(errno));
                *pid = 0;
        }
        (void) close(fd);
        return false;
}

int main(void)
{
        const struct sched_param ordinary = { 0 };
        int fd, slot, r;

        /* The display server may have real-time priority: what guests have rendered may not. */
        (void) sched_setscheduler(0, SCHED_OTHER, &ordinary);
        /* Libraries say there what nobody asked for. */
        if (!freopen("/dev/null", "w", stdout))
                return 1;
        r = enter_sandbox();
        if (r < 0) {
                log_error("render", "cannot lock down: %s", strerror(-r));
                return 1;
        }
        /* No files to keep compiled shaders in. */
        (void) setenv("MESA_SHADER_CACHE_DISABLE", "true", 1);
        while ((slot = receive(&fd)) >= 0) {
                end(&processes[slot]);
                if (fd >= 0 && begin(&processes[slot], fd))
                        return render_process_run(fd);
        }
        for (size_t i = 0; i < RENDER_SLOTS_MAX; i++)
                end(&processes[i]);
        return 0;
}
