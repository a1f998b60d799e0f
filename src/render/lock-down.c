/* SPDX-License-Identifier: MPL-2.0 */
/* The last stage of a render process's sandbox (main.c has the first):
   system calls and memory, once its driver has started. */
#include "render/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>

#include "sandbox/sandbox.h"

/* What a guest's resources and shaders may take of the host, beside the guest's own memory. */
#define MEMORY_MAX_BYTES (UINT64_C(4) << 30)

/* Flags of clone() that no thread needs. */
#define NAMESPACES \
        (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

#define POLICY(policy) SANDBOX_CALL_IF("sched_setscheduler", 1, 0xffffffffU, policy)

/* A GL driver compiles shaders to code that it then runs, and has threads. */
static const struct sandbox_call renderer_calls[] = {
        SANDBOX_CALL_IF("clone", 0, CLONE_THREAD | NAMESPACES, CLONE_THREAD),
        SANDBOX_CALL_ERROR("clone3", ENOSYS), /* its flags are in memory, where no filter sees them; libc uses clone */
        SANDBOX_CALL_IF("fcntl", 1, 0xffffffffU, F_DUPFD),
        SANDBOX_CALL("get_mempolicy"),
        SANDBOX_CALL_IF("ioctl", 1, 0xff00, 'd' << 8), /* DRM, where the host has a GPU; Landlock says on which files */
        SANDBOX_CALL("mmap"),
        SANDBOX_CALL("mprotect"),
        SANDBOX_CALL("prctl"),
        SANDBOX_CALL("rseq"),
        SANDBOX_CALL("sched_getaffinity"),
        SANDBOX_CALL("sched_setaffinity"),
        POLICY(SCHED_BATCH), /* never a real-time one: who has started the display server may have the right to it */
        POLICY(SCHED_IDLE),
        POLICY(SCHED_OTHER),
        SANDBOX_CALL("set_robust_list"),
        SANDBOX_CALL("uname"),
        { .name = NULL },
};

int render_lock_down(void)
{
        const struct rlimit memory = { MEMORY_MAX_BYTES, MEMORY_MAX_BYTES };
        struct sandbox sandbox;
        int r;

        /* Sanitizers map more than that for themselves. */
        if (!sandbox_sanitizer_build() && setrlimit(RLIMIT_DATA, &memory) < 0)
                return -errno;
        sandbox_init(&sandbox, "render");
        r = sandbox_allow_calls(&sandbox, renderer_calls);
        if (r == 0)
                r = sandbox_filter_calls(&sandbox);
        sandbox_deinit(&sandbox);
        return r;
}
