/* SPDX-License-Identifier: MPL-2.0 */
/* What the parts of the front end share; nobody outside of frontend*.c includes this. */
#pragma once

#include "base/loop.h"
#include "vhost/frontend.h"
#include "vhost/message.h"

/* Few enough that neither side fills its socket while the other does not read. */
#define FRONTEND_DUE_MAX 64

struct frontend {
        int fd;     /* owned */
        int error;  /* 0, or why the connection is of no more use; sticky */
        unsigned timeout_ms;
        uint64_t deadline_ns; /* 0: none */
        uint64_t protocol_features;
        struct vhost_receiver rx;
        struct vhost_sender tx;
        const char *reason; /* of the error, static; for debugging */
        bool gathers, refused; /* frontend_begin() */
        uint32_t due[FRONTEND_DUE_MAX]; /* requests that were not yet acknowledged */
        unsigned n_due;
        bool greeted;       /* GET_FEATURES was sent, its reply not yet taken */

        /* frontend_watch() */
        const struct frontend_events *events; /* borrowed; NULL: not watched */
        void *data;
        struct watch watch;
        int channel_fd;       /* owned; -1: none */
        struct watch channel_watch;
        struct vhost_receiver channel_rx;
        struct vhost_sender channel_tx;
};

static inline bool frontend_has_protocol(const struct frontend *f, unsigned bit)
{
        return (f->protocol_features >> bit) & 1;
}

/* frontend.c */

struct frontend_call {
        uint32_t request;
        const void *payload;
        size_t n;
        const int *fds; /* borrowed */
        size_t n_fds;
        struct vhost_message *reply; /* of a request that has one: filled on success, the caller's to deinit */
};

/**
 * frontend_call() - send a request and wait for its reply, or its acknowledgement where there can be one
 *
 * Return: 0; -EREMOTEIO if the back end refused; -ETIMEDOUT, -EBADMSG, -ECONNRESET or another negative errno,
 * after which the connection is of no more use and every call fails.
 */
int frontend_call(struct frontend *f, const struct frontend_call *call);

/* Requests whose payload and reply are a plain u64. */
int frontend_set_u64(struct frontend *f, uint32_t request, uint64_t value);
int frontend_get_u64(struct frontend *f, uint32_t request, uint64_t *ret);

/* -EOPNOTSUPP unless the protocol feature was negotiated. */
int frontend_needs(const struct frontend *f, unsigned protocol_feature);

/* frontend-events.c */
void frontend_unwatch(struct frontend *f);
