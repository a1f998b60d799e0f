/* SPDX-License-Identifier: MPL-2.0 */
/* For guests that tests and benchmarks share: what must be so, else the process ends and says where. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define need(condition)                                                                             \
        do {                                                                                        \
                if (!(condition)) {                                                                 \
                        fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);     \
                        abort();                                                                    \
                }                                                                                   \
        } while (0)
