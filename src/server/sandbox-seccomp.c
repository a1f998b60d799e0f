/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Stage: system calls. The list here is what every device server needs once it serves: its loop, its sockets,
 * shared memory of guests, memory, time, locks, its end. No new threads, processes, programs, sockets or
 * files, and no memory that can be executed. Types add their own calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/log.h"
#include "server/sandbox.h"

#define ALL_32 0xffffffffU
#define FCNTL(command) SANDBOX_CALL_IF("fcntl", 1, ALL_32, command)

static const struct sandbox_call common_calls[] = {
        /* loop and connections */
        SANDBOX_CALL("accept4"),
        SANDBOX_CALL("close"),
        SANDBOX_CALL("epoll_ctl"),
        SANDBOX_CALL("epoll_pwait"),
        SANDBOX_CALL("epoll_pwait2"),
        SANDBOX_CALL("epoll_wait"),
        SANDBOX_CALL("eventfd2"),
        FCNTL(F_DUPFD_CLOEXEC),
        FCNTL(F_GETFD),
        FCNTL(F_GETFL),
        FCNTL(F_SETFD),
        FCNTL(F_SETFL),
        SANDBOX_CALL_IF("getsockopt", 1, UINT64_MAX, SOL_SOCKET),
        SANDBOX_CALL("poll"),
        SANDBOX_CALL("ppoll"),
        SANDBOX_CALL("read"),
        SANDBOX_CALL("readv"),
        SANDBOX_CALL_IF("recvfrom", 4, UINT64_MAX, 0),
        SANDBOX_CALL("recvmsg"),
        SANDBOX_CALL("sendmsg"),
        SANDBOX_CALL_IF("sendto", 4, UINT64_MAX, 0),
        SANDBOX_CALL("shutdown"),
        SANDBOX_CALL("write"),
        SANDBOX_CALL("writev"),
        /* memory of guests and of its own */
        SANDBOX_CALL("brk"),
        FCNTL(F_ADD_SEALS),
        FCNTL(F_GET_SEALS),
        SANDBOX_CALL("fstat"),
        SANDBOX_CALL("fstatfs"),
        SANDBOX_CALL("ftruncate"),
        SANDBOX_CALL("lseek"),
        SANDBOX_CALL("madvise"),
        SANDBOX_CALL("memfd_create"),
        SANDBOX_CALL_IF("mmap", 2, PROT_EXEC, 0),
        SANDBOX_CALL_IF("mprotect", 2, PROT_EXEC, 0),
        SANDBOX_CALL("mremap"),
        SANDBOX_CALL("munmap"),
        SANDBOX_CALL_IF("newfstatat", 3, AT_EMPTY_PATH, AT_EMPTY_PATH),
        /* time, locks, signals, randomness */
        SANDBOX_CALL("clock_getres"),
        SANDBOX_CALL("clock_gettime"),
        SANDBOX_CALL("clock_nanosleep"),
        SANDBOX_CALL("futex"),
        SANDBOX_CALL("getpid"),
        SANDBOX_CALL("getrandom"),
        SANDBOX_CALL("gettid"),
        SANDBOX_CALL("gettimeofday"),
        SANDBOX_CALL("restart_syscall"),
        SANDBOX_CALL("rt_sigaction"),
        SANDBOX_CALL("rt_sigprocmask"),
        SANDBOX_CALL("rt_sigreturn"),
        SANDBOX_CALL("sched_yield"),
        SANDBOX_CALL("sysinfo"),
        /* end */
        SANDBOX_CALL("exit"),
        SANDBOX_CALL("exit_group"),
        { .name = NULL },
};

static int allow(scmp_filter_ctx filter, const struct sandbox_call *call)
{
        int number = seccomp_syscall_resolve_name(call->name);
        struct scmp_arg_cmp check = { call->argument, SCMP_CMP_MASKED_EQ, call->mask, call->value };

        if (number < 0)
                return 0;
        return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, call->check, &check);
}

/* abort() ends this process and no other. */
static int allow_abort(scmp_filter_ctx filter)
{
        struct scmp_arg_cmp check = { 0, SCMP_CMP_EQ, (scmp_datum_t) getpid(), 0 };

        return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &check);
}

static int fill(scmp_filter_ctx filter, const struct sandbox *s)
{
        int r;

        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
        if (r == 0)
                r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
        for (const struct sandbox_call *call = common_calls; call->name && r == 0; call++)
                r = allow(filter, call);
        for (size_t i = 0; i < s->n_lists; i++)
                for (const struct sandbox_call *call = s->lists[i]; call->name && r == 0; call++)
                        r = allow(filter, call);
        return r == 0 ? allow_abort(filter) : r;
}

int sandbox_load_filter(const struct sandbox *s)
{
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
        int r;

        if (!filter)
                return -ENOMEM;
        r = fill(filter, s);
        if (r == 0)
                r = seccomp_load(filter);
        seccomp_release(filter);
        if (r == 0)
                log_debug(s->subject, "sandbox: system calls restricted to a list");
        return r;
}
