/* SPDX-License-Identifier: MPL-2.0 */
/* Small compile-time helpers that every layer uses. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* The locals have a name of their own in each use, so that one may be an argument of another. */
#define MACRO_PASTE_(a, b) a##b
#define MACRO_NAME_(a, b) MACRO_PASTE_(a, b)
#define COMPARE_(a, op, b, x, y) ({ __auto_type x = (a); __auto_type y = (b); x op y ? x : y; })
#define MIN(a, b) COMPARE_(a, <, b, MACRO_NAME_(min_a_, __COUNTER__), MACRO_NAME_(min_b_, __COUNTER__))
#define MAX(a, b) COMPARE_(a, >, b, MACRO_NAME_(max_a_, __COUNTER__), MACRO_NAME_(max_b_, __COUNTER__))
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

/* In a loop that waits for another CPU: saves power, and the sibling's time. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb" ::: "memory");
#endif
}
