/* SPDX-License-Identifier: MPL-2.0 */
#include "render/client.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/virtio_gpu.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/process.h"
#include "base/rectangle.h"
#include "mem/space.h"
#include "render/host.h"
#include "render/protocol.h"

/* For one request and its answer. A frame of a software renderer on a slow machine takes a second; this is "never". */
#define ANSWER_LIMIT_NS UINT64_C(5000000000)

static_assert(RENDER_SLOTS_MAX == 64, "slots are bits of a word");

struct render_host {
        struct process process;
        int fd; /* owned */
        uint64_t slots; /* in use, by bit */
};

struct render {
        struct render_host *host; /* borrowed */
        uint32_t slot;
        int fd; /* owned; -1: not running */
        int interrupt_fd; /* owned eventfd: wakes who waits */
        _Atomic uint64_t limit_ns; /* nobody waits longer; UINT64_MAX: as long as it takes */
        struct {
                int fd; /* owned; -1: none yet */
                uint8_t *pixels; /* owned: mapped */
                size_t size_bytes;
                bool told; /* the process has it */
        } frame;
};

static void host_ended(struct process *process, int status)
{
        char text[64];

        log_error("gpu", "busbar-render %s: guests have no 3D until this server is started again",
                  process_status_text(status, text, sizeof(text)));
}

static int program_path(char *ret, size_t n)
{
        char self[PATH_MAX];
        ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
        char *slash;

        if (length < 0)
                return -errno;
        self[length] = '\0';
        slash = strrchr(self, '/');
        if (!slash || snprintf(ret, n, "%.*s/busbar-render", (int) (slash - self), self) >= (int) n)
                return -ENAMETOOLONG;
        return access(ret, X_OK) < 0 ? -errno : 0;
}

int render_host_adopt(int fd, struct render_host **ret)
{
        struct render_host *h = calloc(1, sizeof(*h));

        if (!h)
                return -ENOMEM;
        h->fd = fd;
        *ret = h;
        return 0;
}

int render_host_new(struct loop *loop, const char *program, struct render_host **ret)
{
        char path[PATH_MAX];
        int pair[2];
        const char *const argv[] = { "busbar-render", NULL };
        struct process_fd fd = { .as = RENDER_HOST_FD };
        struct process_spec spec = { .argv = argv, .program = program ? program : path, .fds = &fd, .n_fds = 1 };
        struct render_host *h;
        int r = program ? 0 : program_path(path, sizeof(path));

        if (r < 0)
                return r;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        fd.fd = pair[1];
        r = render_host_adopt(pair[0], &h);
        if (r == 0) {
                r = process_start(&h->process, loop, &spec, host_ended);
                if (r < 0)
                        free(h);
        }
        (void) close(pair[1]);
        if (r < 0) {
                (void) close(pair[0]);
                return r;
        }
        *ret = h;
        return 0;
}

struct render_host *render_host_free(struct render_host *h)
{
        if (!h)
                return NULL;
        fd_close(&h->fd); /* it ends then; who is locked down may not signal it */
        process_join(&h->process);
        free(h);
        return NULL;
}

int render_new(struct render_host *host, struct render **ret)
{
        struct render *r;

        if (host->slots == UINT64_MAX)
                return -ENOSPC;
        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        *r = (struct render){ .host = host, .fd = -1, .frame.fd = -1, .limit_ns = UINT64_MAX };
        r->interrupt_fd = fd_event();
        if (r->interrupt_fd < 0) {
                int error = r->interrupt_fd;

                free(r);
                return error;
        }
        r->slot = (uint32_t) __builtin_ctzll(~host->slots);
        host->slots |= UINT64_C(1) << r->slot;
        *ret = r;
        return 0;
}

static void drop_frame(struct render *r)
{
        if (r->frame.pixels)
                (void) munmap(r->frame.pixels, r->frame.size_bytes);
        r->frame.pixels = NULL;
        r->frame.size_bytes = 0;
        fd_close(&r->frame.fd);
        r->frame.told = false;
}

struct render *render_free(struct render *r)
{
        if (!r)
                return NULL;
        drop_frame(r);
        render_stop(r);
        fd_close(&r->interrupt_fd);
        r->host->slots &= ~(UINT64_C(1) << r->slot);
        free(r);
        return NULL;
}

/* Does not wait: -EAGAIN. */
static int send_with_fds(int socket_fd, const struct iovec *parts, size_t n_parts, const int *fds, size_t n_fds)
{
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(int) * RENDER_FDS_MAX)];
        } control = { 0 };
        struct msghdr message = { .msg_iov = (struct iovec *) parts, .msg_iovlen = n_parts };
        ssize_t n;

        if (n_fds > 0) {
                struct cmsghdr *header;

                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                header = CMSG_FIRSTHDR(&message);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(header), fds, sizeof(int) * n_fds);
        }
        do
                n = sendmsg(socket_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : (int) n;
}

/* A process for this slot on @fd, or none any more if that is -1. Return: as send_with_fds(). */
static int tell_host(struct render *r, int fd)
{
        struct render_start start = { .slot = r->slot };
        struct iovec part = { &start, sizeof(start) };

        return send_with_fds(r->host->fd, &part, 1, &fd, fd >= 0);
}

int render_restart(struct render *r)
{
        int pair[2], sent;

        fd_close(&r->fd);
        r->frame.told = false;
        if (clock_now_ns() >= r->limit_ns)
                return -EPIPE;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        sent = tell_host(r, pair[1]);
        (void) close(pair[1]);
        if (sent < 0) {
                (void) close(pair[0]);
                return sent;
        }
        r->fd = pair[0];
        return 0;
}

void render_stop(struct render *r)
{
        if (r->fd < 0)
                return;
        fd_close(&r->fd);
        /* One that hangs does not see that. A host with no room for this word is told the next time. */
        (void) tell_host(r, -1);
}

void render_interrupt(struct render *r)
{
        r->limit_ns = clock_now_ns() + RENDER_GRACE_NS;
        fd_event_signal(r->interrupt_fd);
}

void render_resume(struct render *r)
{
        (void) fd_event_take(r->interrupt_fd);
        r->limit_ns = UINT64_MAX;
}

/* The process is of no more use: it is gone, too slow, or does not keep to the protocol. Return: -EPIPE. */
static int lose(struct render *r)
{
        render_stop(r);
        return -EPIPE;
}

/* Sends, or receives, all of it before the deadline. Return: 0 or a negative errno. */
static int move_bytes(const struct render *r, bool out, void *bytes, size_t n, uint64_t deadline_ns)
{
        for (char *at = bytes; n > 0;) {
                struct pollfd ready[] = { { .fd = r->fd, .events = out ? POLLOUT : POLLIN },
                                          { .fd = r->interrupt_fd, .events = POLLIN } };
                uint64_t now = clock_now_ns(), limit_ns = r->limit_ns, until_ns = MIN(deadline_ns, limit_ns);
                ssize_t k;

                if (now >= until_ns)
                        return -ETIMEDOUT;
                /* Who was interrupted already is not woken by that again. */
                if (poll(ready, limit_ns == UINT64_MAX ? 2 : 1, (int) ((until_ns - now) / 1000000) + 1) < 0 &&
                    errno != EINTR)
                        return -errno;
                k = out ? send(r->fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT) : recv(r->fd, at, n, MSG_DONTWAIT);
                if (k == 0)
                        return -ENODATA;
                if (k < 0 && errno != EAGAIN && errno != EINTR)
                        return -errno;
                at += MAX(k, 0);
                n -= (size_t) MAX(k, 0);
        }
        return 0;
}

/* An answer that the protocol has, within the room that there is for its payload; none: only those without one. */
static bool is_answer(const struct render_reply *reply, size_t n_max)
{
        bool has_payload = reply->type == VIRTIO_GPU_RESP_OK_CAPSET_INFO || reply->type == VIRTIO_GPU_RESP_OK_CAPSET;
        bool is_error =
                reply->type >= VIRTIO_GPU_RESP_ERR_UNSPEC && reply->type <= VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;

        if (has_payload)
                return n_max > 0 && reply->size_bytes <= n_max;
        return reply->size_bytes == 0 && (is_error || reply->type == VIRTIO_GPU_RESP_OK_NODATA);
}

/* Sends a request, waits for its answer. */
static int ask(struct render *r, enum render_request_type type, const struct iovec payload[2], const int *fds,
               size_t n_fds, void *answer, size_t n_answer_max, size_t *ret_n)
{
        struct render_request request = { .type = type };
        struct iovec parts[3] = { { &request, sizeof(request) }, payload[0], payload[1] };
        struct render_reply reply;
        size_t n = sizeof(request) + payload[0].iov_len + payload[1].iov_len, n_sent;
        uint64_t deadline_ns = clock_now_ns() + ANSWER_LIMIT_NS;
        int sent;

        if (r->fd < 0)
                return -EPIPE;
        if (n - sizeof(request) > RENDER_PAYLOAD_MAX)
                return -E2BIG;
        request.size_bytes = (uint32_t) (n - sizeof(request));
        sent = send_with_fds(r->fd, parts, ARRAY_SIZE(parts), fds, n_fds);
        if (sent <= 0)
                return lose(r);
        /* A stream socket may take a part only. */
        n_sent = (size_t) sent;
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                size_t skip = MIN(n_sent, parts[i].iov_len);

                n_sent -= skip;
                if (skip < parts[i].iov_len &&
                    move_bytes(r, true, (char *) parts[i].iov_base + skip, parts[i].iov_len - skip, deadline_ns) < 0)
                        return lose(r);
        }
        if (move_bytes(r, false, &reply, sizeof(reply), deadline_ns) < 0 || !is_answer(&reply, n_answer_max) ||
            move_bytes(r, false, answer, reply.size_bytes, deadline_ns) < 0)
                return lose(r);
        if (ret_n)
                *ret_n = reply.size_bytes;
        return (int) reply.type;
}

int render_set_memory(struct render *r, const struct space *space)
{
        struct render_region regions[RENDER_FDS_MAX];
        int fds[RENDER_FDS_MAX];
        size_t n = MIN(space_n_regions(space), (size_t) RENDER_FDS_MAX);
        struct iovec payload[2] = { { regions, n * sizeof(regions[0]) }, { NULL, 0 } };
        int reply;

        for (size_t i = 0; i < n; i++) {
                struct region_spec spec;

                fds[i] = space_region(space, i, &spec);
                regions[i] = (struct render_region){ spec.start, spec.size_bytes, spec.fd_offset_bytes };
        }
        reply = ask(r, RENDER_MEMORY, payload, fds, n, NULL, 0, NULL);
        if (reply < 0)
                return reply;
        return reply == VIRTIO_GPU_RESP_OK_NODATA ? 0 : -EIO;
}

int render_command(struct render *r, const void *command, size_t n, void *payload, size_t n_max, size_t *ret_n)
{
        struct iovec parts[2] = { { (void *) command, n }, { NULL, 0 } };

        return ask(r, RENDER_COMMAND, parts, NULL, 0, payload, n_max, ret_n);
}

int render_set_backing(struct render *r, uint32_t resource, const struct virtio_gpu_mem_entry *entries,
                       uint32_t n_entries)
{
        struct render_backing backing = { .resource = resource, .n_entries = n_entries };
        struct iovec parts[2] = { { &backing, sizeof(backing) }, { (void *) entries, n_entries * sizeof(*entries) } };

        return ask(r, RENDER_BACKING, parts, NULL, 0, NULL, 0, NULL);
}

/* Shared memory of at least this size, known to the process. */
static int need_frame(struct render *r, size_t size_bytes)
{
        const struct iovec none[2] = { 0 };
        int reply;

        if (size_bytes > r->frame.size_bytes) {
                void *pixels;

                drop_frame(r);
                r->frame.fd = fd_memfd_sealed("frame", size_bytes);
                if (r->frame.fd < 0)
                        return r->frame.fd;
                pixels = mmap(NULL, size_bytes, PROT_READ, MAP_SHARED, r->frame.fd, 0);
                if (pixels == MAP_FAILED)
                        return -errno;
                r->frame.pixels = pixels;
                r->frame.size_bytes = size_bytes;
        }
        if (r->frame.told)
                return VIRTIO_GPU_RESP_OK_NODATA;
        reply = ask(r, RENDER_FRAME, none, &r->frame.fd, 1, NULL, 0, NULL);
        r->frame.told = reply == VIRTIO_GPU_RESP_OK_NODATA;
        return reply;
}

int render_read(struct render *r, uint32_t resource, const struct rectangle *part, const uint8_t **ret)
{
        struct render_read read = { .resource = resource, .x = part->x, .y = part->y, .width = part->width,
                                    .height = part->height };
        struct iovec parts[2] = { { &read, sizeof(read) }, { NULL, 0 } };
        uint64_t n_pixels = (uint64_t) part->width * part->height;
        int reply;

        if (n_pixels == 0 || n_pixels > RENDER_READ_MAX_PIXELS)
                return -EINVAL;
        reply = need_frame(r, n_pixels * 4);
        if (reply == VIRTIO_GPU_RESP_OK_NODATA)
                reply = ask(r, RENDER_READ, parts, NULL, 0, NULL, 0, NULL);
        if (reply == VIRTIO_GPU_RESP_OK_NODATA)
                *ret = r->frame.pixels;
        return reply;
}
