/* SPDX-License-Identifier: MPL-2.0 */
#include "backend/entropy.h"

#include <errno.h>
#include <sys/random.h>

int entropy_fill(void *buf, size_t n)
{
        char *p = buf;

        while (n > 0) {
                ssize_t k = getrandom(p, n, 0);

                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                p += k;
                n -= (size_t) k;
        }
        return 0;
}
