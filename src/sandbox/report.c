/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Names the system call that ended the process. The filter's answer to a call outside the list is SIGSYS; its
 * handler writes one line and lets the default action of the same signal end the process.
 *
 * The handler has no argument and may call nothing that allocates or locks, hence the two globals: text that
 * is complete before the filter is loaded and only read afterwards.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/macros.h"
#include "sandbox/sandbox.h"

#define CALLS_MAX 600

static char *call_names[CALLS_MAX]; /* by number; NULL: no such call */
static char report_subject[32];

static size_t append(char *line, size_t used, size_t size, const char *text)
{
        while (*text && used < size)
                line[used++] = *text++;
        return used;
}

static size_t append_number(char *line, size_t used, size_t size, unsigned n)
{
        char digits[12], *at = digits + sizeof(digits) - 1;

        *at = '\0';
        do {
                *--at = (char) ('0' + n % 10);
                n /= 10;
        } while (n > 0);
        return append(line, used, size, at);
}

static void on_sigsys(int signal_number, siginfo_t *info, void *context)
{
        int number = info->si_syscall;
        const char *name = number >= 0 && number < CALLS_MAX ? call_names[number] : NULL;
        char line[160];
        size_t used = 0;

        used = append(line, used, sizeof(line), "error ");
        used = append(line, used, sizeof(line), report_subject);
        used = append(line, used, sizeof(line), ": system call '");
        used = append(line, used, sizeof(line), name ? name : "?");
        used = append(line, used, sizeof(line), "' (");
        used = append_number(line, used, sizeof(line), (unsigned) number);
        used = append(line, used, sizeof(line), ") is not allowed here\n");
        if (write(STDERR_FILENO, line, used) < 0) {
                /* Nobody reads: the status still tells of SIGSYS. */
        }

        /* SA_RESETHAND has set the default action: the next forbidden call ends the process by SIGSYS. */
        (void) syscall(SYS_execve, NULL, NULL, NULL);
        _exit(128 + signal_number);
}

/* One string after the other in a single allocation: libseccomp would leave one block for each name. */
static int collect_names(void)
{
        char *pool = NULL;
        size_t offsets[CALLS_MAX], used = 1;

        for (int i = 0; i < CALLS_MAX; i++) {
                char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
                size_t n = name ? strlen(name) + 1 : 0;
                char *bigger = realloc(pool, used + n);

                if (!bigger) {
                        free(name);
                        free(pool);
                        return -ENOMEM;
                }
                pool = bigger;
                offsets[i] = name ? used : 0;
                if (name)
                        memcpy(pool + used, name, n);
                used += n;
                free(name);
        }
        for (int i = 0; i < CALLS_MAX; i++)
                call_names[i] = offsets[i] ? pool + offsets[i] : NULL;
        return 0;
}

int sandbox_report_init(const char *subject)
{
        struct sigaction action = { .sa_sigaction = on_sigsys,
                                    .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER };
        int r;

        if (!call_names[0]) {
                r = collect_names();
                if (r < 0)
                        return r;
        }
        (void) snprintf(report_subject, sizeof(report_subject), "%s", subject);
        sigemptyset(&action.sa_mask);
        return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}
