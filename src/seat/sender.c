/* SPDX-License-Identifier: MPL-2.0 */
#include "seat/sender.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

struct seat_sender {
        int fd; /* owned: SOCK_DGRAM, never connected, so that the receiver may be restarted */
        struct sockaddr_un address;
        char screen[SEAT_NAME_MAX + 1];
        uint32_t source, sequence;
        bool holds; /* sent something since it left last */
};

int seat_sender_new(const char *path, const char *screen, struct seat_sender **ret)
{
        auto_cleanup(seat_sender_freep) struct seat_sender *s = NULL;

        if (strlen(path) >= sizeof(s->address.sun_path) || strlen(screen) > SEAT_NAME_MAX)
                return -ENAMETOOLONG;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (s->fd < 0)
                return -errno;
        if (getrandom(&s->source, sizeof(s->source), 0) != sizeof(s->source))
                return -EIO;
        s->address.sun_family = AF_UNIX;
        memcpy(s->address.sun_path, path, strlen(path) + 1);
        memcpy(s->screen, screen, strlen(screen) + 1);
        *ret = take_ptr(&s);
        return 0;
}

struct seat_sender *seat_sender_free(struct seat_sender *s)
{
        if (!s)
                return NULL;
        seat_send_leave(s);
        closep(&s->fd);
        free(s);
        return NULL;
}

int seat_send(struct seat_sender *s, const struct seat_message *m)
{
        struct seat_message message = *m;
        struct iovec iov = { .iov_base = &message, .iov_len = sizeof(message) };
        struct msghdr header = { .msg_name = &s->address, .msg_namelen = sizeof(s->address),
                                 .msg_iov = &iov, .msg_iovlen = 1 };

        message.magic = SEAT_MAGIC;
        message.source = s->source;
        message.sequence = s->sequence++;
        memcpy(message.screen, s->screen, sizeof(message.screen));
        s->holds = m->kind != SEAT_LEAVE;
        if (sendmsg(s->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                return -errno;
        return 0;
}

void seat_send_leave(struct seat_sender *s)
{
        if (s->holds)
                (void) seat_send(s, &(struct seat_message) { .kind = SEAT_LEAVE });
}
