/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One request of a driver: what the device may read, then what it may write, as pieces of guest memory.
 *
 * The guest can change the bytes at any time: read each once into a local, validate the local, use the
 * local. The helpers here never go beyond what the chain holds, whatever offsets they are given.
 *
 * Spec: VIRTIO 1.4, 2.6 (message framing), 2.7.4.2 and 2.8.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct chain {
        uint16_t id;            /* split: head descriptor; packed: buffer id */
        uint16_t n_descriptors; /* ring slots that it takes (split: 1) */
        uint32_t sequence;      /* position in the order of popping, modulo 2^32 */
        uint16_t inflight_slot; /* in the in-flight region, see virtio/inflight.h */
        uint16_t n_read;        /* entries of iov that the device reads; they come first */
        uint16_t n_write;       /* entries of iov that the device writes */
        uint32_t n_read_bytes;
        uint32_t n_write_bytes;
        struct iovec *iov; /* borrowed: the queue's until the next queue_pop(), or the keeper's, see chain_keep() */
};

/* Copies out of the readable part from @offset. Return: bytes copied, less than n only at the end. */
size_t chain_read(const struct chain *c, size_t offset, void *buf, size_t n);

/* Copies into the writable part from @offset. Return: bytes copied, less than n only at the end. */
size_t chain_write(const struct chain *c, size_t offset, const void *buf, size_t n);

/* Fills the writable part from @offset with zeroes. Return: bytes written. */
size_t chain_zero(const struct chain *c, size_t offset, size_t n);

/**
 * chain_read_slice(), chain_write_slice() - a range of the readable (writable) part as iovecs
 * @out, @n_max: filled from the start; n_max of at least n_read (n_write) always suffices
 *
 * Return: entries filled; -E2BIG if n_max is too small; -EBADMSG if the range is not all there.
 */
int chain_read_slice(const struct chain *c, size_t offset, size_t n, struct iovec *out, size_t n_max);
int chain_write_slice(const struct chain *c, size_t offset, size_t n, struct iovec *out, size_t n_max);

/**
 * chain_keep() - copy a chain so that it outlives the next queue_pop()
 * @iov, @n_max: storage of the keeper's, used if the chain has at most n_max entries
 *
 * Otherwise the storage is allocated; chain_drop() frees it.
 *
 * Return: 0 or -ENOMEM.
 */
int chain_keep(struct chain *ret, const struct chain *c, struct iovec *iov, size_t n_max);
/* The same for a chain that was popped into its place already: only the pieces are copied. On failure they stay the
   queue's. */
static inline int chain_own(struct chain *c, struct iovec *iov, size_t n_max)
{
        size_t n = (size_t) c->n_read + c->n_write;

        if (__builtin_expect(n > n_max, 0))
                return chain_keep(c, c, iov, n_max);
        for (size_t i = 0; i < n; i++) {
                /* One by one, as they were stored just now: a copy in one piece would stall. */
                iov[i].iov_base = *(void *volatile *) &c->iov[i].iov_base;
                iov[i].iov_len = *(volatile size_t *) &c->iov[i].iov_len;
        }
        c->iov = iov;
        return 0;
}

void chain_drop(struct chain *c, const struct iovec *iov);
