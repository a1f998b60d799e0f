/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Receives what senders say (message.h) and gives it to the router.
 *
 * Senders are processes of the same user (or root); the socket's mode says so, and the credentials that come with each
 * message say it again. Among those, one that errs or floods costs itself only: messages that are malformed or too many
 * are dropped, and with them all that their source holds.
 *
 * A source is lost when it leaves, when its sequence has a gap, when its process has ended and all that it sent is
 * handled, or when more sources come than there are places: then it is the one that was silent longest. Numbers of
 * sources are the sender's to choose, so rate and places are limited for the process, too.
 *
 * All on one loop.
 */
#pragma once

#include <stdint.h>

#define SEAT_SOURCES_MAX 32

struct loop;
struct seat_receiver;
struct seat_router;

struct seat_receiver_counts {
        uint64_t n_messages;  /* that were handled */
        uint64_t n_malformed; /* of wrong size or contents, or about an unknown screen */
        uint64_t n_strangers; /* of other users */
        uint64_t n_flooded;   /* beyond a source's rate, or its process's */
        uint64_t n_gaps, n_evicted, n_ended; /* sources that were lost */
};

/**
 * seat_receiver_new() - listen at a path
 * @router: borrowed; not used any more when the receiver is freed
 *
 * Return: 0; -EADDRINUSE: somebody else listens there; -EEXIST: there is another file; a negative errno.
 */
int seat_receiver_new(struct loop *loop, const char *path, struct seat_router *router, struct seat_receiver **ret);

/* Stops listening and removes the socket. What sources hold is left as it is. NULL ok; returns NULL. */
struct seat_receiver *seat_receiver_free(struct seat_receiver *r);

const struct seat_receiver_counts *seat_receiver_counts(const struct seat_receiver *r);
