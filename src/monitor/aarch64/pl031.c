/* SPDX-License-Identifier: MPL-2.0 */
#include <time.h>

#include "monitor/aarch64/primecell.h"

#define PART 0x00041031

enum { NOW = 0x00, MATCH = 0x04, LOAD = 0x08, CONTROL = 0x0c, MASK = 0x10 };

static uint32_t pl031_get(void *data, uint64_t offset)
{
        const struct pl031 *p = data;

        if (offset >= PRIMECELL_ID)
                return primecell_id(PART, offset);
        switch (offset) {
        case NOW:
                return (uint32_t) time(NULL) + p->ahead_s;
        case MATCH:
                return p->match;
        case LOAD:
                return p->loaded;
        case CONTROL:
                return 1; /* it cannot be stopped */
        case MASK:
                return p->mask;
        default:
                return 0;
        }
}

static void pl031_set(void *data, uint64_t offset, uint32_t v)
{
        struct pl031 *p = data;

        if (offset == MATCH)
                p->match = v;
        else if (offset == MASK)
                p->mask = v & 1;
        if (offset != LOAD)
                return;
        p->loaded = v;
        p->ahead_s = v - (uint32_t) time(NULL);
}

int pl031_add(struct pl031 *p, struct bus *bus, gpa_t at)
{
        return bus_add(bus, &(const struct bus_range){ .start = at, .size_bytes = PRIMECELL_BYTES, .register_bytes = 4,
                                                       .get = pl031_get, .set = pl031_set, .data = p });
}
