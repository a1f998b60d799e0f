/* SPDX-License-Identifier: MPL-2.0 */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macros.h"

#define FILES_MAX_DEFAULT 4096

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER_BUILD true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZER_BUILD true
#endif
#endif
#ifndef SANITIZER_BUILD
#define SANITIZER_BUILD false
#endif

bool sandbox_sanitizer_build(void) { return SANITIZER_BUILD; }

void sandbox_init(struct sandbox *s, const char *subject)
{
        *s = (struct sandbox) { .subject = subject, .n_files_max = FILES_MAX_DEFAULT };
}

void sandbox_deinit(struct sandbox *s)
{
        for (size_t i = 0; i < s->n_paths; i++)
                fd_close(&s->paths[i].fd);
        s->n_paths = 0;
}

int sandbox_allow_calls(struct sandbox *s, const struct sandbox_call *calls)
{
        if (s->n_lists == ARRAY_SIZE(s->lists))
                return -ENOSPC;
        s->lists[s->n_lists++] = calls;
        return 0;
}

int sandbox_allow_path(struct sandbox *s, const char *path, unsigned access)
{
        int fd;

        if (s->n_paths == ARRAY_SIZE(s->paths))
                return -ENOSPC;
        fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        s->paths[s->n_paths].fd = fd;
        s->paths[s->n_paths].access = access;
        s->n_paths++;
        return 0;
}

int sandbox_allow_removal(struct sandbox *s, const char *path)
{
        static const struct sandbox_call calls[] = { SANDBOX_CALL("unlink"), SANDBOX_CALL("unlinkat"),
                                                     { .name = NULL } };
        auto_cleanup(freep) char *copy = strdup(path);
        int r;

        if (!copy)
                return -ENOMEM;
        r = sandbox_allow_path(s, dirname(copy), SANDBOX_REMOVE);
        for (size_t i = 0; i < s->n_lists && r == 0; i++)
                if (s->lists[i] == calls)
                        return 0;
        return r < 0 ? r : sandbox_allow_calls(s, calls);
}

/* Locked memory, address space and CPU are the business of who starts the server. */
static int limit_resources(const struct sandbox *s)
{
        struct rlimit none = { 0, 0 }, files;

        if (setrlimit(RLIMIT_CORE, &none) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
                return -errno;
        files.rlim_max = MIN(files.rlim_max, (rlim_t) s->n_files_max);
        files.rlim_cur = files.rlim_max;
        return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}

int sandbox_enter(struct sandbox *s)
{
        int r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        r = limit_resources(s);
        if (r < 0)
                return r;
        if (sandbox_sanitizer_build()) {
                log_debug(s->subject, "sandbox: sanitizer build: files and system calls are not restricted");
                return sandbox_drop_capabilities(s);
        }
        /* No memory image for others of the same user: it holds guests' data. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
        r = sandbox_restrict_files(s);
        return r < 0 ? r : sandbox_drop_capabilities(s);
}

int sandbox_filter_calls(struct sandbox *s)
{
        int r;

        if (sandbox_sanitizer_build())
                return 0;
        r = sandbox_report_init(s->subject);
        return r < 0 ? r : sandbox_load_filter(s);
}
