/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Messages of vhost-user with their file descriptors, for both sides and both channels.
 *
 * Receiving and sending are state machines over a stream socket: neither ever blocks, whatever the mode of
 * the socket, and both continue where they stopped. Every descriptor that comes in is close-on-exec and
 * owned by the message that it came with, or closed if there is no such message.
 *
 *      vhost_receive()  one whole message whose frame is sound: version, size limit, number of fds
 *      vhost_check()    it is a message of this channel, and its size and fds are what its type says
 *
 * Spec: vhost-user protocol, "Message Specification".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost/protocol.h"

#define VHOST_FDS_MAX VHOST_MEMORY_REGIONS_MAX

struct vhost_message {
        struct vhost_header header;
        union vhost_payload payload;
        int fds[VHOST_FDS_MAX]; /* owned, the first n_fds; -1 where taken */
        size_t n_fds;
};

/* Closes the descriptors that were not taken. Idempotent. */
void vhost_message_deinit(struct vhost_message *m);

/* Zero-initialised is empty. */
struct vhost_receiver {
        struct vhost_message message; /* so far */
        size_t n_got;                 /* bytes of header and payload */
};

/**
 * vhost_receive() - read on until a message is whole
 * @ret: filled on 1, owned by the caller (vhost_message_deinit())
 * @ret_reason: set on -EBADMSG: a static text
 *
 * Return: 1 one message; 0 nothing more to read now; -ENODATA the peer closed between two messages; -EBADMSG
 * it broke the framing, or closed within a message; a negative errno of recvmsg(2).
 */
int vhost_receive(int fd, struct vhost_receiver *rx, struct vhost_message *ret, const char **ret_reason);
void vhost_receiver_deinit(struct vhost_receiver *rx);

enum vhost_channel {
        VHOST_CHANNEL_MAIN,    /* the front end asks */
        VHOST_CHANNEL_BACKEND, /* the back end asks */
};

/**
 * vhost_check_request() - is it a request of this channel, of the right size, with the right number of fds?
 * @ret_reason: set on an error: a static text
 *
 * Return: 0; -EOPNOTSUPP for a request that this protocol does not know; -EBADMSG.
 */
int vhost_check_request(enum vhost_channel channel, const struct vhost_message *m, const char **ret_reason);

/**
 * vhost_check_reply() - is it the reply to this request?
 * @ack: the request has no reply of its own, so it must be an acknowledgement (u64)
 *
 * Return: 0 or -EBADMSG.
 */
int vhost_check_reply(enum vhost_channel channel, uint32_t request, bool ack, const struct vhost_message *m,
                      const char **ret_reason);

/* True if the type of request has a reply of its own, whatever REPLY_ACK says. */
bool vhost_request_has_reply(enum vhost_channel channel, uint32_t request);

/* Name for logs; "unknown request" where it has none. */
const char *vhost_request_name(enum vhost_channel channel, uint32_t request);

/* Zero-initialised is idle. */
struct vhost_sender {
        struct vhost_header header;
        union vhost_payload payload;
        int fds[VHOST_FDS_MAX]; /* borrowed until the message is out */
        size_t n_fds;
        size_t n_sent;
        bool busy;
};

/* Prepares a message; the sender must be idle. Payload: at most sizeof(union vhost_payload). */
void vhost_sender_prepare(struct vhost_sender *tx, uint32_t request, uint32_t flags, const void *payload, size_t n,
                          const int *fds, size_t n_fds);

/* Return: 1 all is out (the sender is idle again); 0 the socket is full; a negative errno of sendmsg(2). */
int vhost_send(int fd, struct vhost_sender *tx);
