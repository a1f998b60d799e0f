/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Stage: system calls. The common list is what a process with a loop needs once it serves: the loop, its sockets,
 * shared memory of guests, memory, time, locks, its end. No new threads, processes, programs, sockets or
 * files, and no memory that can be executed. Types add their own calls.
 *
 * The list of threads is for those without a loop. It is compiled into the kernel's form once, on the thread that
 * starts the others, and loaded by each of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/memfd.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "sandbox/sandbox.h"

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
        SANDBOX_CALL("preadv2"),
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

static const struct sandbox_call thread_calls[] = {
        SANDBOX_CALL("brk"),
        SANDBOX_CALL("clock_gettime"),
        SANDBOX_CALL("clock_nanosleep"),
        SANDBOX_CALL("close"),
        SANDBOX_CALL("exit"),
        SANDBOX_CALL("exit_group"),
        SANDBOX_CALL("futex"),
        SANDBOX_CALL("getpid"),
        SANDBOX_CALL("getrandom"),
        SANDBOX_CALL("gettid"),
        SANDBOX_CALL("madvise"),
        SANDBOX_CALL_IF("mmap", 2, PROT_EXEC, 0),
        SANDBOX_CALL_IF("mprotect", 2, PROT_EXEC, 0),
        SANDBOX_CALL("mremap"),
        SANDBOX_CALL("munmap"),
        SANDBOX_CALL("preadv2"),
        SANDBOX_CALL("read"),
        SANDBOX_CALL("restart_syscall"),
        SANDBOX_CALL("rt_sigprocmask"),
        SANDBOX_CALL("rt_sigreturn"),
        SANDBOX_CALL("sched_yield"),
        SANDBOX_CALL("write"),
        SANDBOX_CALL("writev"),
        { .name = NULL },
};

static int add_rule(scmp_filter_ctx filter, const struct sandbox_call *call)
{
        int number = seccomp_syscall_resolve_name(call->name);
        struct scmp_arg_cmp check = { call->argument, SCMP_CMP_MASKED_EQ, call->mask, call->value };
        uint32_t action = call->error ? SCMP_ACT_ERRNO((uint32_t) call->error) : SCMP_ACT_ALLOW;

        if (number < 0)
                return 0;
        return seccomp_rule_add_array(filter, action, number, call->check, &check);
}

/* abort() ends this process and no other. */
static int allow_abort(scmp_filter_ctx filter)
{
        struct scmp_arg_cmp check = { 0, SCMP_CMP_EQ, (scmp_datum_t) getpid(), 0 };

        return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &check);
}

static int fill(scmp_filter_ctx filter, const struct sandbox_call *list)
{
        int r = 0;

        for (; list->name && r == 0; list++)
                r = add_rule(filter, list);
        return r;
}

int sandbox_load_filter(const struct sandbox *s)
{
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
        int r;

        if (!filter)
                return -ENOMEM;
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, s->own_threads ? 0 : 1);
        if (r == 0)
                r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
        if (r == 0)
                r = fill(filter, common_calls);
        for (size_t i = 0; i < s->n_lists && r == 0; i++)
                r = fill(filter, s->lists[i]);
        if (r == 0)
                r = allow_abort(filter);
        if (r == 0)
                r = seccomp_load(filter);
        seccomp_release(filter);
        if (r == 0)
                log_debug(s->subject, "sandbox: system calls restricted to a list");
        return r;
}

struct sandbox_thread_filter {
        struct sock_fprog program; /* none in sanitizer builds */
        struct sock_filter code[];
};

/* What the kernel takes, by way of a file: libseccomp 2.5 writes it nowhere else. */
static int compile(scmp_filter_ctx filter, struct sandbox_thread_filter **ret)
{
        auto_cleanup(closep) int fd = memfd_create("filter", MFD_CLOEXEC);
        struct sandbox_thread_filter *f;
        struct stat st;
        int r;

        if (fd < 0)
                return -errno;
        r = seccomp_export_bpf(filter, fd);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return -errno;
        f = calloc(1, sizeof(*f) + (size_t) st.st_size);
        if (!f)
                return -ENOMEM;
        if (pread(fd, f->code, (size_t) st.st_size, 0) != (ssize_t) st.st_size) {
                free(f);
                return -EIO;
        }
        f->program.len = (unsigned short) ((size_t) st.st_size / sizeof(f->code[0]));
        f->program.filter = f->code;
        *ret = f;
        return 0;
}

int sandbox_thread_filter_new(const char *subject, const struct sandbox_call *calls, struct sandbox_thread_filter **ret)
{
        scmp_filter_ctx filter;
        int r;

        if (sandbox_sanitizer_build()) {
                *ret = calloc(1, sizeof(**ret));
                return *ret ? 0 : -ENOMEM;
        }
        r = sandbox_report_init(subject);
        if (r < 0)
                return r;
        filter = seccomp_init(SCMP_ACT_TRAP);
        if (!filter)
                return -ENOMEM;
        r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
        if (r == 0)
                r = fill(filter, thread_calls);
        if (r == 0)
                r = fill(filter, calls);
        if (r == 0)
                r = allow_abort(filter);
        if (r == 0)
                r = compile(filter, ret);
        seccomp_release(filter);
        return r;
}

struct sandbox_thread_filter *sandbox_thread_filter_free(struct sandbox_thread_filter *f)
{
        free(f);
        return NULL;
}

int sandbox_filter_thread(const struct sandbox_thread_filter *f)
{
        if (f->program.len == 0)
                return 0;
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0UL, &f->program) < 0 ? -errno : 0;
}
