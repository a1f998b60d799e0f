/* SPDX-License-Identifier: MPL-2.0 */
/* For guests that tests and benchmarks share: what must be so, else it is said where, and the process ends. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

/* May be defined by a program that is to end in another way: called first, it need not return. */
void need_failed(const char *file, int line) __attribute__((weak));

#define need(condition)                                                                             \
        do {                                                                                        \
                if (!(condition)) {                                                                 \
                        fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);     \
                        if (need_failed)                                                            \
                                need_failed(__FILE__, __LINE__);                                    \
                        abort();                                                                    \
                }                                                                                   \
        } while (0)
