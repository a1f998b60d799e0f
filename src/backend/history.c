/* SPDX-License-Identifier: MPL-2.0 */
#include "backend/history.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

int history_init(struct history *h, size_t capacity)
{
        assert(capacity > 0 && (capacity & (capacity - 1)) == 0);
        *h = (struct history) { .data = malloc(capacity), .capacity = capacity };
        return h->data ? 0 : -ENOMEM;
}

void history_deinit(struct history *h)
{
        free(h->data);
        *h = (struct history) { 0 };
}

void history_append(struct history *h, const void *buf, size_t n)
{
        const char *from = buf;

        if (n > h->capacity) {
                from += n - h->capacity;
                h->end += n - h->capacity;
                n = h->capacity;
        }
        while (n > 0) {
                size_t at = h->end & (h->capacity - 1), part = MIN(n, h->capacity - at);

                memcpy(h->data + at, from, part);
                from += part;
                h->end += part;
                n -= part;
        }
}

const char *history_at(const struct history *h, uint64_t position, size_t *ret_n)
{
        size_t at = position & (h->capacity - 1);

        assert(position >= history_start(h) && position <= h->end);
        *ret_n = MIN(h->end - position, h->capacity - at);
        return h->data + at;
}
