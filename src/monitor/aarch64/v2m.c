/* SPDX-License-Identifier: MPL-2.0 */
#include <stddef.h>

#include "monitor/aarch64/gic-map.h"
#include "monitor/bus.h"

static uint32_t v2m_get(void *data, uint64_t offset)
{
        return offset == GIC_V2M_TYPER ? (GIC_FIRST_LINE + GIC_V2M_LINE) << 16 | GIC_V2M_LINES : 0;
}

int v2m_add(struct bus *bus)
{
        /* No writes: messages come from devices, not from processors. */
        return bus_add(bus, &(const struct bus_range){ .start = GIC_V2M, .size_bytes = GIC_V2M_BYTES,
                                                       .register_bytes = 4, .get = v2m_get });
}

bool v2m_line(uint64_t address, uint32_t data, unsigned *ret)
{
        if (address != GIC_V2M + GIC_V2M_SETSPI || data < GIC_FIRST_LINE + GIC_V2M_LINE ||
            data >= GIC_FIRST_LINE + GIC_LINES)
                return false;
        *ret = data - GIC_FIRST_LINE;
        return true;
}
