/* SPDX-License-Identifier: MPL-2.0 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"

#define WORDS_MAX 128
#define READY_FD 3

int harness_init(struct harness *h)
{
        int r;

        *h = (struct harness) { .log_fd = -1, .out_fd = -1, .folder = "/tmp/busbar-test-XXXXXX" };
        if (!mkdtemp(h->folder)) {
                h->folder[0] = '\0';
                return -errno;
        }
        h->log_fd = memfd_create("log", MFD_CLOEXEC);
        h->out_fd = memfd_create("output", MFD_CLOEXEC);
        if (h->log_fd < 0 || h->out_fd < 0)
                return -errno;
        r = loop_new(&h->loop);
        return r;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
        return remove(path) < 0 ? -1 : 0;
}

void harness_deinit(struct harness *h)
{
        harness_kill(h);
        if (h->log_fd >= 0 && harness_log(h)[0])
                fprintf(stderr, "# log of the server:\n%s", h->text);
        h->loop = loop_free(h->loop);
        fd_close(&h->log_fd);
        fd_close(&h->out_fd);
        free(h->text);
        h->text = NULL;
        if (h->folder[0])
                (void) nftw(h->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        h->folder[0] = '\0';
}

const char *harness_path(struct harness *h, const char *name)
{
        char *path;

        for (size_t i = 0; i < h->n_paths; i++)
                if (strcmp(strrchr(h->paths[i], '/') + 1, name) == 0)
                        return h->paths[i];
        if (h->n_paths == HARNESS_PATHS_MAX)
                abort();
        path = h->paths[h->n_paths++];
        (void) snprintf(path, sizeof(h->paths[0]), "%s/%s", h->folder, name);
        return path;
}

static void on_end(struct process *p, int status)
{
        struct harness *h = container_of(p, struct harness, process);

        h->ended = true;
        h->status = status;
}

static int start_program(struct harness *h, const char *const *first, const char *const *words, const char *last,
                         const struct process_fd *fds, size_t n_fds)
{
        const char *build = getenv("BUSBAR_BUILD"), *argv[WORDS_MAX];
        struct process_spec spec = { .argv = argv, .fds = fds, .n_fds = n_fds };
        char program[4096];
        size_t n = 0;

        if (harness_running(h))
                return -EBUSY;
        (void) snprintf(program, sizeof(program), "%s/src/cli/busbar", build ? build : ".");
        argv[n++] = program;
        while (*first)
                argv[n++] = *first++;
        while (*words && n < WORDS_MAX - 2)
                argv[n++] = *words++;
        if (last)
                argv[n++] = last;
        argv[n] = NULL;
        h->ended = false;
        return process_start(&h->process, h->loop, &spec, on_end);
}

/* Waits until the process ended. Return: its exit status; -EINTR; -ETIMEDOUT. */
int harness_wait(struct harness *h)
{
        uint64_t deadline_ns = clock_now_ns() + HARNESS_TIMEOUT_MS * NSEC_PER_MSEC;

        while (!h->ended) {
                if (clock_now_ns() >= deadline_ns)
                        return -ETIMEDOUT;
                if (h->process.pid == 0)
                        return -ESRCH;
                (void) loop_step(h->loop, 100);
        }
        return WIFEXITED(h->status) ? WEXITSTATUS(h->status) : -EINTR;
}

/* Return: 0 when the line was read; -ECHILD at the end of the pipe; -ETIMEDOUT. */
static int wait_ready(struct harness *h, int fd)
{
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        char line[32] = "";
        size_t used = 0;

        while (!memchr(line, '\n', used)) {
                ssize_t n;

                if (poll(&pfd, 1, HARNESS_TIMEOUT_MS) <= 0)
                        return -ETIMEDOUT;
                n = read(fd, line + used, sizeof(line) - 1 - used);
                if (n <= 0) {
                        (void) harness_wait(h);
                        return -ECHILD;
                }
                used += (size_t) n;
        }
        return strcmp(line, "READY=1\n") == 0 ? 0 : -EPROTO;
}

int harness_start_with(struct harness *h, const char *const *words, const struct process_fd *fds, size_t n_fds)
{
        static const char *const first[] = { "device", NULL };
        auto_cleanup(closep) int read_end = -1;
        auto_cleanup(closep) int write_end = -1;
        struct process_fd all[16];
        int ends[2], r;

        if (n_fds > ARRAY_SIZE(all) - 2)
                return -E2BIG;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        read_end = ends[0];
        write_end = ends[1];
        all[0] = (struct process_fd) { h->log_fd, STDERR_FILENO };
        all[1] = (struct process_fd) { write_end, READY_FD };
        for (size_t i = 0; i < n_fds; i++)
                all[2 + i] = fds[i];
        r = start_program(h, first, words, "--ready-fd=3", all, n_fds + 2);
        if (r < 0)
                return r;
        fd_close(&write_end);
        return wait_ready(h, read_end);
}

int harness_start(struct harness *h, const char *const *words) { return harness_start_with(h, words, NULL, 0); }

int harness_run(struct harness *h, const char *const *words)
{
        static const char *const first[] = { NULL };
        const struct process_fd fds[] = { { h->log_fd, STDERR_FILENO }, { h->out_fd, STDOUT_FILENO } };
        int r;

        r = start_program(h, first, words, NULL, fds, ARRAY_SIZE(fds));
        return r < 0 ? r : harness_wait(h);
}

int harness_stop(struct harness *h)
{
        (void) process_signal(&h->process, SIGTERM);
        return harness_wait(h);
}

void harness_kill(struct harness *h) { process_deinit(&h->process); }

bool harness_running(struct harness *h)
{
        if (h->process.pid != 0)
                (void) loop_step(h->loop, 0);
        return h->process.pid != 0;
}

pid_t harness_pid(const struct harness *h) { return h->process.pid; }

static const char *read_all(struct harness *h, int fd)
{
        off_t size = lseek(fd, 0, SEEK_END);
        ssize_t n;

        free(h->text);
        h->text = calloc(1, (size_t) MAX(size, (off_t) 0) + 1);
        if (!h->text)
                abort();
        n = pread(fd, h->text, (size_t) MAX(size, (off_t) 0), 0);
        h->text[MAX(n, (ssize_t) 0)] = '\0';
        return h->text;
}

const char *harness_log(struct harness *h) { return read_all(h, h->log_fd); }

const char *harness_output(struct harness *h) { return read_all(h, h->out_fd); }

int harness_wait_log(struct harness *h, const char *text)
{
        uint64_t deadline_ns = clock_now_ns() + HARNESS_TIMEOUT_MS * NSEC_PER_MSEC;

        while (!strstr(harness_log(h), text)) {
                if (clock_now_ns() >= deadline_ns)
                        return -ETIMEDOUT;
                (void) loop_step(h->loop, 5);
        }
        return 0;
}

static int read_proc(struct harness *h, const char *name, char *buf, size_t size)
{
        auto_cleanup(freep) char *text = NULL;
        char path[64];
        size_t n;
        int r;

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) h->process.pid, name);
        r = fd_read_file(path, size - 1, &text, &n);
        if (r < 0)
                return r;
        memcpy(buf, text, n + 1);
        return 0;
}

long harness_cpu_ms(struct harness *h)
{
        unsigned long user = 0, system = 0;
        char text[4096];
        const char *at;

        if (read_proc(h, "stat", text, sizeof(text)) < 0)
                return -1;
        at = strrchr(text, ')');
        if (!at || sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
                return -1;
        return (long) ((user + system) * 1000 / (unsigned long) sysconf(_SC_CLK_TCK));
}

long harness_rss_kib(struct harness *h)
{
        static const char *const names[] = { "\nRssAnon:", "\nRssFile:" };
        char text[8192];
        long sum = 0;

        if (read_proc(h, "status", text, sizeof(text)) < 0)
                return -1;
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                const char *at = strstr(text, names[i]);

                if (!at)
                        return -1;
                sum += strtol(at + strlen(names[i]), NULL, 10);
        }
        return sum;
}
