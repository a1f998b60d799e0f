/* SPDX-License-Identifier: MPL-2.0 */
#include "platform/qemu-relay.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/argv.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "platform/qemu-args.h"

#define PAUSED_FD_IN_CHILD 3
#define FIRST_FD_IN_CHILD 4

/* Virtqueues of a device. */
static unsigned n_queues(const struct machine_device *d) { return d->type == DEVICE_SOUND ? 4 : 2; }

/* A page for one word. Return: its fd; a negative errno. */
static int make_paused(struct qemu_relay *relay)
{
        auto_cleanup(closep) int fd = fd_memfd_sealed("paused", sizeof(*relay->paused));
        void *page;

        if (fd < 0)
                return fd;
        page = mmap(NULL, sizeof(*relay->paused), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (page == MAP_FAILED)
                return -errno;
        relay->paused = page;
        return take_fd(&fd);
}

static int start(struct qemu_relay *relay, struct loop *loop, struct argv *argv, struct process_fd *fds, size_t n_fds,
                 int message_fd, process_fn ended)
{
        auto_cleanup(closep) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        auto_cleanup(closep) int paused_fd = make_paused(relay);

        if (null_fd < 0)
                return -errno;
        if (paused_fd < 0)
                return paused_fd;
        argv_addf(argv, "--paused=%d", PAUSED_FD_IN_CHILD);
        fds[n_fds++] = (struct process_fd){ paused_fd, PAUSED_FD_IN_CHILD };
        fds[n_fds++] = (struct process_fd){ null_fd, 0 };
        fds[n_fds++] = (struct process_fd){ message_fd, 1 };
        fds[n_fds++] = (struct process_fd){ message_fd, 2 };
        if (argv_error(argv) < 0)
                return argv_error(argv);
        return process_start(&relay->process, loop,
                             &(struct process_spec){ .program = "/proc/self/exe",
                                                     .argv = (const char *const *) argv->items,
                                                     .fds = fds,
                                                     .n_fds = n_fds },
                             ended);
}

int qemu_relay_start(struct qemu_relay *relay, struct loop *loop, const struct machine *m, int message_fd,
                     process_fn ended)
{
        struct process_fd fds[QEMU_RELAYED_MAX + 4];
        struct argv argv = { 0 };
        size_t n = 0;
        int r = 0;

        argv_add(&argv, "busbar");
        argv_add(&argv, "relay");
        argv_addf(&argv, "--name=%s", m->id);
        for (size_t i = 0; i < m->n_devices && r == 0; i++) {
                const struct machine_device *d = &m->devices[i];
                int ends[2];

                if (!qemu_needs_relay(d))
                        continue;
                if (n == QEMU_RELAYED_MAX)
                        r = -E2BIG;
                else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                        r = -errno;
                if (r < 0)
                        break;
                relay->fds[relay->n++] = ends[0];
                fds[n] = (struct process_fd){ ends[1], FIRST_FD_IN_CHILD + (int) n };
                argv_addf(&argv, "--device=%zu:%u:%s:%s", FIRST_FD_IN_CHILD + n, n_queues(d), d->id, d->socket_path);
                n++;
        }
        if (r == 0 && n > 0)
                r = start(relay, loop, &argv, fds, n, message_fd, ended);
        for (size_t i = 0; i < n; i++)
                (void) close(fds[i].fd);
        argv_deinit(&argv);
        return r;
}

void qemu_relay_set_paused(struct qemu_relay *relay, bool on)
{
        if (relay->paused)
                atomic_store(relay->paused, on);
}

void qemu_relay_close_fds(struct qemu_relay *relay)
{
        while (relay->n > 0)
                fd_close(&relay->fds[--relay->n]);
}

void qemu_relay_deinit(struct qemu_relay *relay)
{
        qemu_relay_close_fds(relay);
        process_deinit(&relay->process);
        if (relay->paused)
                (void) munmap(relay->paused, sizeof(*relay->paused));
        relay->paused = NULL;
}
