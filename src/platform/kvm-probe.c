/* SPDX-License-Identifier: MPL-2.0 */
#include "platform/kvm-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macros.h"

#define DEADLINE_MS 900
#define PARTS 16
/* A part this many times slower than on the host, and slower than an exit explains, is interpreted. What else runs on a
   loaded host makes parts slow as well, but not all of the first ones. */
#define SLOWDOWN_MAX 20
#define SLOW_NS (5 * NSEC_PER_MSEC)
#define SLOW_PARTS_MAX 4

static uint64_t cpu_ns(void)
{
        struct timespec t;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (uint64_t) t.tv_sec * NSEC_PER_SEC + (uint64_t) t.tv_nsec;
}

/* CPU time of a part's rounds on the host itself, at its best. */
static uint64_t host_part_ns(void)
{
        uint64_t best_ns = UINT64_MAX;

        for (unsigned n_parts = 0; n_parts < PARTS; n_parts++) {
                uint64_t start_ns = cpu_ns();

                for (unsigned i = KVM_PROBE_ROUNDS; i > 0; i--)
                        __asm__ volatile("" : "+r"(i));
                best_ns = MIN(best_ns, cpu_ns() - start_ns);
        }
        return best_ns;
}

static int run_part(const struct kvm_probe_guest *g, uint64_t *ret_ns)
{
        uint64_t start_ns = cpu_ns();
        int r;

        do
                r = ioctl(g->vcpu_fd, KVM_RUN, 0);
        while (r < 0 && errno == EINTR);
        if (r < 0)
                return -errno;
        *ret_ns = cpu_ns() - start_ns;
        return kvm_probe_guest_ended_part(g) ? 0 : -EIO;
}

/* In the child. Return: 0; -ERANGE: too slow; another negative errno. */
static int run_guest(int kvm_fd)
{
        struct kvm_probe_guest g;
        uint64_t limit_ns = MAX(host_part_ns() * SLOWDOWN_MAX, (uint64_t) SLOW_NS), ns = 0;
        unsigned n_slow = 0;
        int r;

        r = kvm_probe_guest_init(&g, kvm_fd);
        for (unsigned n_parts = 0; n_parts < PARTS && r == 0; n_parts++) {
                r = run_part(&g, &ns);
                n_slow += ns > limit_ns;
                if (r == 0 && n_slow == n_parts + 1 && n_slow == SLOW_PARTS_MAX)
                        r = -ERANGE;
        }
        return r;
}

/* Return: the guest's result; -ETIME if it did not end in time; another negative errno. */
static int run_in_child(int kvm_fd)
{
        auto_cleanup(closep) int pidfd = -1;
        struct pollfd poll_fd;
        int status = 0, n;
        pid_t parent = getpid(), pid;

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                /* A guest that makes no progress must not outlive who would end it. */
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                        _exit(ESRCH);
                _exit(-run_guest(kvm_fd));
        }

        pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        poll_fd = (struct pollfd){ .fd = pidfd, .events = POLLIN };
        do
                n = poll(&poll_fd, 1, DEADLINE_MS);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                (void) kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (n <= 0)
                return -ETIME;
        return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static bool probe(char *why, size_t n_why)
{
        auto_cleanup(closep) int fd = -1;
        int r;

        fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        if (fd < 0) {
                if (errno == ENOENT)
                        (void) snprintf(why, n_why,
                                        "there is no /dev/kvm: load the module kvm_intel or kvm_amd, and switch "
                                        "virtualization on in the firmware (or in the outer hypervisor)");
                else if (errno == EACCES || errno == EPERM)
                        (void) snprintf(why, n_why,
                                        "no access to /dev/kvm: add yourself to its group (usually `adduser "
                                        "$USER kvm`) and log in again");
                else
                        (void) snprintf(why, n_why, "/dev/kvm does not open: %s", strerror(errno));
                return false;
        }
        if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
                (void) snprintf(why, n_why, "/dev/kvm speaks another version of its interface than %d",
                                KVM_API_VERSION);
                return false;
        }

        r = run_in_child(fd);
        if (r == -ETIME)
                (void) snprintf(why, n_why,
                                "/dev/kvm opens, but a test guest of 2 million instructions was not done in "
                                "%d ms: it has no hardware behind it (nested without support?)",
                                DEADLINE_MS);
        else if (r == -ERANGE)
                (void) snprintf(
                        why, n_why,
                        "/dev/kvm opens, but runs guests more than %d times slower than the host: it interprets "
                        "them, without hardware behind it (nested without support?)",
                        SLOWDOWN_MAX);
        else if (r == -ENODEV)
                (void) snprintf(why, n_why,
                                "/dev/kvm opens, but the kernel has no interrupt controller for guests (arm64: a "
                                "GICv3 or GICv2; x86-64: local APICs)");
        else if (r < 0)
                (void) snprintf(why, n_why, "/dev/kvm opens, but a test guest failed: %s", strerror(-r));
        return r == 0;
}

/* The answer of this process: several platforms and checks ask, and where it is no it takes the whole deadline. */
static struct {
        bool known, usable;
        char why[256];
} answer;

bool kvm_probe(char *why, size_t n_why)
{
        if (!answer.known) {
                answer.usable = probe(answer.why, sizeof(answer.why));
                answer.known = true;
        }
        (void) snprintf(why, n_why, "%s", answer.usable ? "" : answer.why);
        return answer.usable;
}
