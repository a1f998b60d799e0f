/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/x86_64/x86.h"

#include "base/macros.h"
#include "monitor/layout.h"

#define SLEEP_ENABLE 0x20
#define SLEEP_TYPE(control) ((control) >> 2 & 7)

#define KEYBOARD_COMMAND 0x64 /* of the keyboard controller, which holds the CPU's reset pin */
#define KEYBOARD_RESET 0xfe
#define CHIPSET_RESET 0xcf9
#define CHIPSET_RESET_CPU 0x04

static uint32_t power_get(void *data, uint64_t reg)
{
        struct power *p = data;
        uint8_t events = p->events;

        if (reg != POWER_EVENTS)
                return 0;
        p->events = 0;
        (void) vm_set_line(p->m->vm, layout.power_line, false);
        return events;
}

static void power_set(void *data, uint64_t reg, uint32_t value)
{
        struct power *p = data;

        if (reg == POWER_SLEEP_CONTROL && (value & SLEEP_ENABLE) && SLEEP_TYPE(value) == POWER_SLEEP_OFF)
                monitor_end(p->m, MONITOR_POWERED_OFF, NULL);
        else if (reg == POWER_RESET && value == POWER_RESET_VALUE)
                monitor_end(p->m, MONITOR_RESET, NULL);
}

static void keyboard_set(void *data, uint64_t reg, uint32_t value)
{
        if (value == KEYBOARD_RESET)
                monitor_end(data, MONITOR_RESET, NULL);
}

static void chipset_set(void *data, uint64_t reg, uint32_t value)
{
        if (value & CHIPSET_RESET_CPU)
                monitor_end(data, MONITOR_RESET, NULL);
}

int power_add(struct power *p, struct monitor *m)
{
        const struct bus_range ranges[] = {
                { layout.power, POWER_REGISTERS, .register_bytes = 1, .get = power_get, .set = power_set, .data = p },
                { KEYBOARD_COMMAND, 1, .register_bytes = 1, .set = keyboard_set, .data = m },
                { CHIPSET_RESET, 1, .register_bytes = 1, .set = chipset_set, .data = m },
        };
        int r = 0;

        *p = (struct power){ .m = m };
        for (size_t i = 0; i < ARRAY_SIZE(ranges) && r == 0; i++)
                r = bus_add(&m->ports, &ranges[i]);
        return r;
}

int power_press_button(struct power *p)
{
        p->events |= POWER_EVENT_BUTTON;
        return vm_set_line(p->m->vm, layout.power_line, true);
}
