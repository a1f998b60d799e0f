/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/pvpanic.h"

#include <string.h>

#include "monitor/bus.h"
#include "monitor/monitor.h"

#define EVENT_PANICKED 1
#define EVENT_CRASH_LOADED 2 /* it panicked, and looks itself after what follows */
#define EVENT_SHUTDOWN 4     /* powered off, by a kernel without another way */

static void pvpanic_read(void *data, uint64_t offset, void *buf, unsigned n_bytes)
{
        memset(buf, 0, n_bytes);
        if (offset == 0)
                *(uint8_t *) buf = EVENT_PANICKED | EVENT_CRASH_LOADED | EVENT_SHUTDOWN;
}

static void pvpanic_write(void *data, uint64_t offset, const void *buf, unsigned n_bytes)
{
        struct monitor *m = data;
        uint8_t event = *(const uint8_t *) buf;

        if (offset != 0)
                return;
        if (event & EVENT_PANICKED)
                monitor_end(m, MONITOR_PANICKED, "the guest's kernel panicked");
        else if (event & EVENT_SHUTDOWN)
                monitor_end(m, MONITOR_POWERED_OFF, NULL);
}

int pvpanic_add(struct monitor *m, struct bus *bus, uint64_t start)
{
        const struct bus_range range = { .start = start,
                                         .size_bytes = PVPANIC_BYTES,
                                         .read = pvpanic_read,
                                         .write = pvpanic_write,
                                         .data = m };

        return bus_add(bus, &range);
}
