/* SPDX-License-Identifier: MPL-2.0 */
/* Small compile-time helpers that every layer uses. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ({ __auto_type a_ = (a); __auto_type b_ = (b); a_ < b_ ? a_ : b_; })
#define MAX(a, b) ({ __auto_type a_ = (a); __auto_type b_ = (b); a_ > b_ ? a_ : b_; })
#define container_of(ptr, type, member) ((type *) (void *) ((char *) (ptr) - offsetof(type, member)))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define NSEC_PER_SEC UINT64_C(1000000000)
#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_USEC UINT64_C(1000)

/* Overflow-checked arithmetic: true when the result does not fit (nothing is stored that may be used). */
#define add_overflows(a, b, ret) __builtin_add_overflow((a), (b), (ret))
#define mul_overflows(a, b, ret) __builtin_mul_overflow((a), (b), (ret))
#define sub_overflows(a, b, ret) __builtin_sub_overflow((a), (b), (ret))

/* True when [offset, offset + n) lies within [0, limit), without overflow. */
static inline int range_fits(uint64_t offset, uint64_t n, uint64_t limit)
{
        return offset <= limit && n <= limit - offset;
}
