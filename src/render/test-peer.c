/* SPDX-License-Identifier: MPL-2.0 */
#include "render/test-peer.h"

#include <linux/virtio_gpu.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "render/client.h"
#include "render/host.h"
#include "render/protocol.h"

#define REPLY_BYTES_MAX 8192

static struct {
        pthread_mutex_t lock; /* of the script */
        uint8_t script[TEST_PEER_SCRIPT_MAX];
        size_t n_script, n_taken;
        int host_fd; /* owned */
        int fd;      /* owned: the process's; -1: none */
} peer = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

struct reply {
        struct render_reply header;
        uint8_t payload[REPLY_BYTES_MAX];
};

static void check(bool holds)
{
        if (!holds)
                abort();
}

/* Return: bytes; 0 at the end. */
static ssize_t receive(int fd, void *bytes, size_t n, int *fds, size_t *ret_n_fds)
{
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(int) * RENDER_FDS_MAX)];
        } control;
        struct iovec part = { bytes, n };
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        ssize_t k = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
        struct cmsghdr *c = k > 0 ? CMSG_FIRSTHDR(&message) : NULL;

        *ret_n_fds = c ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
        if (*ret_n_fds > 0)
                memcpy(fds, CMSG_DATA(c), *ret_n_fds * sizeof(int));
        return k;
}

static uint8_t take(void) { return peer.n_taken < peer.n_script ? peer.script[peer.n_taken++] : 0; }

static void obey(const struct render_request *request, const uint8_t *payload, struct reply *ret)
{
        const struct virtio_gpu_ctrl_hdr *command = (const void *) payload;
        uint32_t type = request->type == RENDER_COMMAND ? command->type : 0;

        ret->header = (struct render_reply){ .type = VIRTIO_GPU_RESP_OK_NODATA };
        if (type == VIRTIO_GPU_CMD_GET_CAPSET_INFO)
                ret->header = (struct render_reply){ VIRTIO_GPU_RESP_OK_CAPSET_INFO, 16 };
        if (type == VIRTIO_GPU_CMD_GET_CAPSET)
                ret->header = (struct render_reply){ VIRTIO_GPU_RESP_OK_CAPSET, 1024 };
}

static void answer(const struct render_request *request, const uint8_t *payload)
{
        struct reply reply = { 0 };
        size_t n_short = 0, n_times = 1;
        bool ends = false;
        uint8_t how;

        obey(request, payload, &reply);
        pthread_mutex_lock(&peer.lock);
        how = take();
        switch (how & 7) {
        case 1:
                reply.header = (struct render_reply){ VIRTIO_GPU_RESP_ERR_UNSPEC + (how >> 3) % 6u, 0 };
                break;
        case 2:
                n_times = 0;
                ends = true;
                break;
        case 3:
                reply.header.type = (uint32_t) (take() << 8 | take());
                break;
        case 4:
                reply.header.size_bytes = UINT32_C(1) << (how >> 3);
                n_short = 1;
                ends = true;
                break;
        case 5:
                n_short = sizeof(reply.header) + reply.header.size_bytes - 1;
                ends = true;
                break;
        case 6:
                n_times = 2;
                break;
        case 7:
                reply.header.size_bytes = take() * 32u;
                break;
        }
        pthread_mutex_unlock(&peer.lock);
        for (; n_times > 0; n_times--) {
                size_t n =
                        sizeof(reply.header) + MIN(reply.header.size_bytes, (uint32_t) sizeof(reply.payload)) - n_short;

                (void) send(peer.fd, &reply, n, MSG_NOSIGNAL);
        }
        if (ends)
                fd_close(&peer.fd);
}

/* Whatever a guest says, this is what a render process may rely on. */
static void check_request(const struct render_request *request, const uint8_t *payload, size_t n_fds)
{
        const struct render_backing *backing = (const void *) payload;

        switch (request->type) {
        case RENDER_MEMORY:
                check(request->size_bytes == n_fds * sizeof(struct render_region));
                break;
        case RENDER_COMMAND:
                check(request->size_bytes >= sizeof(struct virtio_gpu_ctrl_hdr));
                break;
        case RENDER_BACKING:
                check(request->size_bytes >= sizeof(*backing) &&
                      request->size_bytes ==
                              sizeof(*backing) + backing->n_entries * sizeof(struct virtio_gpu_mem_entry));
                break;
        case RENDER_FRAME:
                check(request->size_bytes == 0 && n_fds == 1);
                break;
        case RENDER_READ:
                check(request->size_bytes == sizeof(struct render_read));
                break;
        default:
                abort();
        }
        check(n_fds == 0 || request->type == RENDER_MEMORY || request->type == RENDER_FRAME);
}

static void serve_request(void)
{
        struct render_request request;
        auto_cleanup(freep) uint8_t *payload = NULL;
        int fds[RENDER_FDS_MAX];
        size_t n_fds;
        ssize_t n = receive(peer.fd, &request, sizeof(request), fds, &n_fds);

        if (n <= 0) {
                fd_close(&peer.fd);
                return;
        }
        check(n == sizeof(request) && request.size_bytes <= RENDER_PAYLOAD_MAX);
        payload = malloc(request.size_bytes + 1);
        check(payload);
        if (fd_read_full(peer.fd, payload, request.size_bytes) == 0) {
                check_request(&request, payload, n_fds);
                answer(&request, payload);
        }
        for (size_t i = 0; i < n_fds; i++)
                (void) close(fds[i]);
}

/* Return: false when the display server's side is gone. */
static bool serve_host(void)
{
        struct render_start start;
        size_t n_fds;
        int fd = -1;

        if (receive(peer.host_fd, &start, sizeof(start), &fd, &n_fds) != sizeof(start))
                return false;
        check(start.slot < RENDER_SLOTS_MAX && n_fds <= 1);
        fd_close(&peer.fd);
        if (n_fds == 1)
                peer.fd = fd;
        return true;
}

static void *run(void *data)
{
        for (;;) {
                struct pollfd fds[] = { { .fd = peer.host_fd, .events = POLLIN }, { .fd = peer.fd, .events = POLLIN } };

                if (poll(fds, 2, -1) < 0)
                        continue;
                if (fds[1].revents)
                        serve_request();
                if (fds[0].revents && !serve_host())
                        break;
        }
        fd_close(&peer.fd);
        fd_close(&peer.host_fd);
        return NULL;
}

struct render_host *test_peer_start(void)
{
        struct render_host *host = NULL;
        pthread_t thread;
        int pair[2];

        check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0 &&
              render_host_adopt(pair[0], &host) == 0);
        peer.host_fd = pair[1];
        check(pthread_create(&thread, NULL, run, NULL) == 0 && pthread_detach(thread) == 0);
        return host;
}

void test_peer_script(const uint8_t *script, size_t n)
{
        pthread_mutex_lock(&peer.lock);
        peer.n_script = MIN(n, (size_t) TEST_PEER_SCRIPT_MAX);
        peer.n_taken = 0;
        memcpy(peer.script, script, peer.n_script);
        pthread_mutex_unlock(&peer.lock);
}
