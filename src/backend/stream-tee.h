/* SPDX-License-Identifier: MPL-2.0 */
/* One stream of several: output goes to all, input comes from any. */
#pragma once

#include <stddef.h>

struct stream;

#define STREAM_TEE_MAX 4

/* Takes the streams (on success only). Return: 0, -EINVAL if there are too many, -ENOMEM. */
int stream_tee_new(struct stream *const *streams, size_t n, struct stream **ret);
