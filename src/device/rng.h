/* SPDX-License-Identifier: MPL-2.0 */
/* Entropy device. One queue; each buffer of the guest is filled with random bytes. Spec: VIRTIO 1.4, 5.4. */
#pragma once

#include <stdint.h>

struct device;
struct loop;

/* Bytes that one request gets at most; short fills are legal (5.4.6). */
#define RNG_REQUEST_MAX 4096

struct rng_options {
        uint64_t bytes_per_second; /* 0: unlimited */
        uint64_t burst_bytes;      /* that may be had at once after a pause; at least 1 */
};

/* Return: 0 or -ENOMEM. */
int rng_new(struct loop *loop, const char *name, const struct rng_options *options, struct device **ret);
