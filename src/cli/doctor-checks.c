/* SPDX-License-Identifier: MPL-2.0 */
#include "cli/doctor-checks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "platform/kvm-probe.h"

#define LANDLOCK_VERSION (1U << 0) /* LANDLOCK_CREATE_RULESET_VERSION */

/* One that opens may still be of no use: the same test as the platforms'. */
static bool check_kvm(char *detail, unsigned n)
{
        bool usable = kvm_probe(detail, n);

        if (usable)
                (void) snprintf(detail, n, "/dev/kvm");
        return usable;
}

static bool check_tun(char *detail, unsigned n)
{
        static const char path[] = "/dev/net/tun";
        auto_cleanup(closep) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);

        (void) snprintf(detail, n, "%s%s%s", path, fd < 0 ? ": " : "", fd < 0 ? strerror(errno) : "");
        return fd >= 0;
}

static bool check_io_uring(char *detail, unsigned n)
{
        struct io_uring_params params = { 0 };
        auto_cleanup(closep) int fd = (int) syscall(SYS_io_uring_setup, 1, &params);

        (void) snprintf(detail, n, "%s", fd < 0 ? strerror(errno) : "");
        return fd >= 0;
}

static bool check_landlock(char *detail, unsigned n)
{
        long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);

        if (version < 0)
                (void) snprintf(detail, n, "%s", strerror(errno));
        else
                (void) snprintf(detail, n, "ABI %ld", version);
        return version > 0;
}

static bool check_seccomp(char *detail, unsigned n)
{
        unsigned action = SECCOMP_RET_TRAP;
        long r = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);

        (void) snprintf(detail, n, "%s", r < 0 ? strerror(errno) : "");
        return r == 0;
}

static bool check_memfd(char *detail, unsigned n)
{
        auto_cleanup(closep) int fd = fd_memfd_sealed("doctor", 4096);

        (void) snprintf(detail, n, "%s", fd < 0 ? strerror(-fd) : "");
        return fd >= 0;
}

static bool check_pidfd(char *detail, unsigned n)
{
        auto_cleanup(closep) int fd = (int) syscall(SYS_pidfd_open, getpid(), 0);

        (void) snprintf(detail, n, "%s", fd < 0 ? strerror(errno) : "");
        return fd >= 0;
}

const struct doctor_check doctor_checks[] = {
        { .name = "kvm",
          .why = "guests at the processor's own speed",
          .fix = "switch virtualization on in the firmware (of a virtual machine: nested virtualization, in the outer "
                 "hypervisor), `modprobe kvm`, and join the group: `adduser $USER kvm`",
          .run = check_kvm },
        { .name = "memfd",
          .why = "guest memory that several processes share",
          .required = true,
          .fix = "a Linux kernel with CONFIG_MEMFD_CREATE (3.17 or later)",
          .run = check_memfd },
        { .name = "pidfd",
          .why = "supervision of processes",
          .required = true,
          .fix = "a Linux kernel 5.9 or later",
          .run = check_pidfd },
        { .name = "io_uring",
          .why = "disks at full speed",
          .fix = "`sysctl kernel.io_uring_disabled=0`, and a container profile that permits it",
          .run = check_io_uring },
        { .name = "seccomp",
          .why = "the system call list of device servers",
          .required = true,
          .fix = "a Linux kernel with CONFIG_SECCOMP_FILTER",
          .run = check_seccomp },
        { .name = "landlock",
          .why = "the file sandbox of device servers",
          .fix = "a Linux kernel 5.13 or later with landlock in the `lsm=` list of its command line",
          .run = check_landlock },
        { .name = "tun",
          .why = "networks with a tap uplink",
          .fix = "`modprobe tun`; a tap of your own: `ip tuntap add dev NAME mode tap user $USER`",
          .run = check_tun },
        { .name = NULL },
};
