/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/aarch64/v2m.h"

#include <stddef.h>

#include "monitor/aarch64/gic-map.h"
#include "monitor/aarch64/register.h"
#include "monitor/bus.h"

static void v2m_read(void *data, uint64_t offset, void *buf, unsigned n_bytes)
{
        uint32_t first = GIC_FIRST_LINE + GIC_V2M_LINE;

        register_answer(offset, buf, n_bytes, (offset & ~UINT64_C(3)) == GIC_V2M_TYPER ? first << 16 | GIC_V2M_LINES : 0);
}

/* From a processor: nobody does this. */
static void v2m_write(void *data, uint64_t offset, const void *buf, unsigned n_bytes) {}

int v2m_add(struct bus *bus)
{
        static const struct bus_range range = {
                .start = GIC_V2M, .size_bytes = GIC_V2M_BYTES, .read = v2m_read, .write = v2m_write
        };

        return bus_add(bus, &range);
}

bool v2m_line(uint64_t address, uint32_t data, unsigned *ret)
{
        if (address != GIC_V2M + GIC_V2M_SETSPI || data < GIC_FIRST_LINE + GIC_V2M_LINE ||
            data >= GIC_FIRST_LINE + GIC_LINES)
                return false;
        *ret = data - GIC_FIRST_LINE;
        return true;
}
