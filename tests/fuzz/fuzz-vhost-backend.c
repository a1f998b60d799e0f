/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: vhost-user, from a front end to the back end with an echo device.
 *
 * The input is a list of records, made by vhost-seeds.py for the corpus:
 *
 *      u8 request     of a message, or an ACTION_ below
 *      u8 flags       the low 4 bits are those of the message, 0x80: the size in the header is off by one,
 *                     0x40: sent in two halves, 0x20: the peer does not read its replies yet
 *      u8 fds         low 4 bits: how many, high 4 bits: kind of the first; the next ones are of the kinds after it
 *      u16 n          bytes of payload that follow
 *
 * Descriptors do not survive a record of any kind: a leak aborts.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "vhost/backend.h"
#include "vhost/message.h"
#include "vhost/test-echo.h"
#include "vhost/test-fds.h"

#define MEMORY_BYTES 65536
#define N_QUEUES 3

enum action {
        ACTION_KICK = 0xf0,     /* the eventfd that fds of kind KIND_EVENT are */
        ACTION_WRITE = 0xf1,    /* u16 offset, then bytes for guest memory */
        ACTION_SHRINK = 0xf2,   /* the unsealed file */
        ACTION_CONNECT = 0xf3,  /* leaves and comes back */
        ACTION_CHANGE = 0xf4,   /* the device says that its config space changed */
};

enum kind { KIND_MEMORY, KIND_EVENT, KIND_UNSEALED, KIND_SOCKET, KIND_PIPE, N_KINDS };

struct record {
        uint8_t request, flags, fds;
        uint16_t n;
        const uint8_t *payload;
};

struct harness {
        struct loop *loop;
        struct echo *echo;
        struct vhost_backend *backend; /* NULL: disconnected */
        int fd;                        /* the front end's side */
        int kinds[N_KINDS], pipe_other, socket_other; /* nobody ever reads from the others */
        char *memory;
        bool deaf;
};

static void on_closed(struct vhost_backend *b, int reason, void *data)
{
        ((struct harness *) data)->backend = vhost_backend_free(b);
}

static void connect_again(struct harness *h)
{
        int fds[2];

        h->backend = vhost_backend_free(h->backend);
        fd_close(&h->fd);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                abort();
        h->fd = fds[0];
        if (vhost_backend_new(h->loop, fds[1], &h->echo->dev, on_closed, h, &h->backend) < 0)
                abort();
}

static void harness_init(struct harness *h)
{
        int fds[2];

        *h = (struct harness) { .fd = -1 };
        if (loop_new(&h->loop) < 0 || echo_new("fuzz", h->loop, N_QUEUES, &h->echo) < 0 || pipe(fds) < 0)
                abort();
        h->kinds[KIND_MEMORY] = fd_memfd_sealed("fuzz", MEMORY_BYTES);
        h->kinds[KIND_EVENT] = fd_event();
        h->kinds[KIND_UNSEALED] = memfd_create("unsealed", MFD_CLOEXEC);
        h->kinds[KIND_PIPE] = fds[1];
        h->pipe_other = fds[0];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                abort();
        h->kinds[KIND_SOCKET] = fds[1];
        h->socket_other = fds[0];
        if (ftruncate(h->kinds[KIND_UNSEALED], MEMORY_BYTES) < 0)
                abort();
        h->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, h->kinds[KIND_MEMORY], 0);
        if (h->memory == MAP_FAILED)
                abort();
        connect_again(h);
}

static void harness_deinit(struct harness *h)
{
        h->backend = vhost_backend_free(h->backend);
        device_free(&h->echo->dev);
        loop_free(h->loop);
        (void) munmap(h->memory, MEMORY_BYTES);
        fd_close(&h->fd);
        fd_close(&h->pipe_other);
        fd_close(&h->socket_other);
        for (int i = 0; i < N_KINDS; i++)
                fd_close(&h->kinds[i]);
}

static void drain(struct harness *h)
{
        char buf[4096];
        ssize_t n;

        do {
                struct iovec iov = { buf, sizeof(buf) };
                struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

                /* Without room for descriptors: the kernel closes what comes with the replies. */
                n = h->fd >= 0 && !h->deaf ? recvmsg(h->fd, &msg, MSG_DONTWAIT) : -1;
        } while (n > 0);
}

static void run(struct harness *h)
{
        for (int i = 0; i < 4; i++) {
                if (loop_step(h->loop, 0) < 0)
                        abort();
                drain(h);
        }
}

static void send_bytes(struct harness *h, const void *bytes, size_t n, const int *fds, size_t n_fds)
{
        union {
                char bytes[CMSG_SPACE(16 * sizeof(int))];
                struct cmsghdr align;
        } control = { 0 };
        struct iovec iov = { (void *) (uintptr_t) bytes, n };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n_fds > 0) {
                control.align = (struct cmsghdr) { .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
                                                   .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
                msg.msg_control = &control;
                msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        }
        (void) !sendmsg(h->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_message(struct harness *h, const struct record *rec)
{
        struct vhost_header header = { rec->request, rec->flags & 0xf, rec->n + (rec->flags & 0x80 ? 1U : 0) };
        size_t n = sizeof(header) + rec->n, half = rec->flags & 0x40 ? n / 2 : n;
        char bytes[sizeof(header) + 1024];
        int fds[16];

        h->deaf = rec->flags & 0x20;
        for (unsigned i = 0; i < (rec->fds & 0xf); i++)
                fds[i] = h->kinds[((rec->fds >> 4) + i) % N_KINDS];
        memcpy(bytes, &header, sizeof(header));
        memcpy(bytes + sizeof(header), rec->payload, rec->n);
        send_bytes(h, bytes, half, fds, rec->fds & 0xf);
        if (half < n) {
                run(h);
                send_bytes(h, bytes + half, n - half, NULL, 0);
        }
}

static void act(struct harness *h, const struct record *rec)
{
        uint16_t offset;

        switch (rec->request) {
        case ACTION_KICK:
                fd_event_signal(h->kinds[KIND_EVENT]);
                break;
        case ACTION_WRITE:
                if (rec->n < sizeof(offset))
                        break;
                memcpy(&offset, rec->payload, sizeof(offset));
                memcpy(h->memory + offset, rec->payload + 2, MIN((size_t) rec->n - 2, (size_t) MEMORY_BYTES - offset));
                break;
        case ACTION_SHRINK:
                if (ftruncate(h->kinds[KIND_UNSEALED], 0) < 0)
                        abort();
                break;
        case ACTION_CONNECT:
                connect_again(h);
                break;
        case ACTION_CHANGE:
                device_config_changed(&h->echo->dev);
                break;
        default:
                send_message(h, rec);
        }
}

/* Return: true and *data moved on, false at the end. */
static bool next_record(const uint8_t **data, size_t *size, struct record *ret)
{
        if (*size < 5)
                return false;
        ret->request = (*data)[0];
        ret->flags = (*data)[1];
        ret->fds = (*data)[2];
        memcpy(&ret->n, *data + 3, 2);
        *data += 5;
        *size -= 5;
        ret->n = (uint16_t) MIN(MIN((size_t) ret->n, *size), (size_t) 1024);
        ret->payload = *data;
        *data += ret->n;
        *size -= ret->n;
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        int n_fds = count_fds();
        struct harness h;
        struct record rec;

        log_set_level(LOG_LEVEL_ERROR);
        harness_init(&h);
        while (next_record(&data, &size, &rec)) {
                act(&h, &rec);
                run(&h);
                if (!h.backend)
                        connect_again(&h);
        }
        harness_deinit(&h);
        if (count_fds() != n_fds)
                abort();
        return 0;
}
