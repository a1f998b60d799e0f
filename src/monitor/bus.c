/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/bus.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

void bus_deinit(struct bus *b)
{
        free(b->ranges);
        *b = (struct bus){ 0 };
}

/* Index of the first range that starts above @address. */
static unsigned upper_bound(const struct bus *b, uint64_t address)
{
        unsigned low = 0, high = b->n_ranges;

        while (low < high) {
                unsigned middle = low + (high - low) / 2;

                if (b->ranges[middle].start > address)
                        high = middle;
                else
                        low = middle + 1;
        }
        return low;
}

/* The range that holds all of [address, address + n_bytes), or NULL. */
static struct bus_range *find(const struct bus *b, uint64_t address, unsigned n_bytes)
{
        unsigned at = upper_bound(b, address);
        struct bus_range *range;

        if (at == 0)
                return NULL;
        range = &b->ranges[at - 1];
        return range_fits(address - range->start, n_bytes, range->size_bytes) ? range : NULL;
}

int bus_add(struct bus *b, const struct bus_range *range)
{
        unsigned at = upper_bound(b, range->start);
        struct bus_range *ranges;

        if (range->size_bytes == 0 || range->start > UINT64_MAX - (range->size_bytes - 1))
                return -EINVAL;
        if (at > 0 && range->start - b->ranges[at - 1].start < b->ranges[at - 1].size_bytes)
                return -EEXIST;
        if (at < b->n_ranges && b->ranges[at].start - range->start < range->size_bytes)
                return -EEXIST;

        ranges = reallocarray(b->ranges, b->n_ranges + 1, sizeof(*ranges));
        if (!ranges)
                return -ENOMEM;
        memmove(&ranges[at + 1], &ranges[at], (b->n_ranges - at) * sizeof(*ranges));
        ranges[at] = *range;
        b->ranges = ranges;
        b->n_ranges++;
        return 0;
}

void bus_remove(struct bus *b, uint64_t start)
{
        unsigned at = upper_bound(b, start);

        if (at == 0 || b->ranges[at - 1].start != start)
                return;
        memmove(&b->ranges[at - 1], &b->ranges[at], (b->n_ranges - at) * sizeof(*b->ranges));
        b->n_ranges--;
}

static void read_registers(const struct bus_range *range, uint64_t offset, uint8_t *bytes, unsigned n_bytes)
{
        uint32_t value = 0;

        for (unsigned i = 0; i < n_bytes; i++) {
                unsigned within = (unsigned) ((offset + i) % range->register_bytes);

                if (i == 0 || within == 0)
                        value = range->get(range->data, offset + i - within);
                bytes[i] = (uint8_t) (value >> (8 * within));
        }
}

static void write_registers(const struct bus_range *range, uint64_t offset, const char *bytes, unsigned n_bytes)
{
        for (unsigned i = 0; offset % range->register_bytes == 0 && i < n_bytes; i += range->register_bytes) {
                uint32_t value = 0;

                memcpy(&value, bytes + i, MIN(n_bytes - i, range->register_bytes));
                range->set(range->data, offset + i, le32toh(value));
        }
}

bool bus_read(struct bus *b, uint64_t address, void *buf, unsigned n_bytes)
{
        struct bus_range *range = find(b, address, n_bytes);

        memset(buf, 0xff, n_bytes);
        if (range && range->read)
                range->read(range->data, address - range->start, buf, n_bytes);
        else if (range && range->get)
                read_registers(range, address - range->start, buf, n_bytes);
        return range;
}

bool bus_write(struct bus *b, uint64_t address, const void *buf, unsigned n_bytes)
{
        struct bus_range *range = find(b, address, n_bytes);

        /* The handler may move or remove its own range: nothing of it is touched afterwards. */
        if (range && range->write)
                range->write(range->data, address - range->start, buf, n_bytes);
        else if (range && range->set)
                write_registers(range, address - range->start, buf, n_bytes);
        return range;
}
