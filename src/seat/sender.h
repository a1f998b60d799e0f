/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Sends what people do on a screen to the input server (message.h). A sender is one source: what it holds down is let
 * go when it leaves, whatever other sources hold. Outputs have one for each peer; `busbar input` is one for its short
 * life.
 *
 * Threads: one at a time. Needs sendmsg(2) of a sandbox and nothing else.
 */
#pragma once

#include "seat/message.h"

struct seat_sender;

/**
 * seat_sender_new() - a new source
 * @path:   of the input server's socket, which need not be there yet
 * @screen: name of the screen
 *
 * Return: 0; -ENAMETOOLONG for a path or name that does not fit; a negative errno.
 */
int seat_sender_new(const char *path, const char *screen, struct seat_sender **ret);

/* Says that the source leaves, unless it has sent nothing. NULL ok; returns NULL. */
struct seat_sender *seat_sender_free(struct seat_sender *s);

static inline void seat_sender_freep(struct seat_sender **s)
{
        *s = seat_sender_free(*s);
}

/**
 * seat_send() - send one message, without waiting
 * @m: kind and what it needs; the sender fills in the rest
 *
 * What is not taken is lost, and its number with it, by which the receiver notices.
 *
 * Return: 0; -EAGAIN: the receiver is behind; -ENOENT, -ECONNREFUSED: there is none; another negative errno.
 */
int seat_send(struct seat_sender *s, const struct seat_message *m);

/* Lets go of all that this source holds, if it has sent anything since the last time. */
void seat_send_leave(struct seat_sender *s);
