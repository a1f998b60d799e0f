/* SPDX-License-Identifier: MPL-2.0 */
/* Random bytes from the host's kernel, getrandom(2). */
#pragma once

#include <stddef.h>

/* Fills buf wholly. Return: 0 or a negative errno. Waits only where the kernel's pool is not yet initialised. */
int entropy_fill(void *buf, size_t n);
