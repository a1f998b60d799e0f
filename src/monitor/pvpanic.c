/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/registers.h"

#define EVENT_PANICKED 1
#define EVENT_CRASH_LOADED 2 /* it panicked, and looks itself after what follows */
#define EVENT_SHUTDOWN 4     /* powered off, by a kernel without another way */

static uint32_t pvpanic_get(void *data, uint64_t offset)
{
        return offset == 0 ? EVENT_PANICKED | EVENT_CRASH_LOADED | EVENT_SHUTDOWN : 0;
}

static void pvpanic_set(void *data, uint64_t offset, uint32_t event)
{
        if (offset == 0 && (event & EVENT_PANICKED))
                monitor_end(data, MONITOR_PANICKED, "the guest's kernel panicked");
        else if (offset == 0 && (event & EVENT_SHUTDOWN))
                monitor_end(data, MONITOR_POWERED_OFF, NULL);
}

int pvpanic_add(struct monitor *m, struct bus *bus, uint64_t start)
{
        return bus_add(bus, &(const struct bus_range){ .start = start, .size_bytes = PVPANIC_BYTES, .register_bytes = 1,
                                                       .get = pvpanic_get, .set = pvpanic_set, .data = m });
}
