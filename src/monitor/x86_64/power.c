/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/x86_64/power.h"

#include "base/macros.h"
#include "monitor/layout.h"
#include "monitor/monitor.h"
#include "monitor/vm.h"

#define SLEEP_ENABLE 0x20
#define SLEEP_TYPE(control) ((control) >> 2 & 7)

#define KEYBOARD_COMMAND 0x64 /* of the keyboard controller, which holds the CPU's reset pin */
#define KEYBOARD_RESET 0xfe
#define CHIPSET_RESET 0xcf9
#define CHIPSET_RESET_CPU 0x04

static void on_read(void *data, uint64_t offset, void *buf, unsigned n_bytes)
{
        struct power *p = data;

        for (unsigned i = 0; i < n_bytes; i++) {
                uint8_t *value = (uint8_t *) buf + i;

                *value = 0;
                if (offset + i != POWER_EVENTS)
                        continue;
                *value = p->events;
                p->events = 0;
                (void) vm_set_line(p->m->vm, layout.power_line, false);
        }
}

static void write_register(struct power *p, uint64_t reg, uint8_t value)
{
        if (reg == POWER_SLEEP_CONTROL && (value & SLEEP_ENABLE) && SLEEP_TYPE(value) == POWER_SLEEP_OFF)
                monitor_end(p->m, MONITOR_POWERED_OFF, NULL);
        else if (reg == POWER_RESET && value == POWER_RESET_VALUE)
                monitor_end(p->m, MONITOR_RESET, NULL);
}

static void on_write(void *data, uint64_t offset, const void *buf, unsigned n_bytes)
{
        for (unsigned i = 0; i < n_bytes; i++)
                write_register(data, offset + i, ((const uint8_t *) buf)[i]);
}

static void on_keyboard(void *data, uint64_t offset, const void *buf, unsigned n_bytes)
{
        struct power *p = data;

        if (*(const uint8_t *) buf == KEYBOARD_RESET)
                monitor_end(p->m, MONITOR_RESET, NULL);
}

static void on_chipset(void *data, uint64_t offset, const void *buf, unsigned n_bytes)
{
        struct power *p = data;

        if (*(const uint8_t *) buf & CHIPSET_RESET_CPU)
                monitor_end(p->m, MONITOR_RESET, NULL);
}

int power_add(struct power *p, struct monitor *m)
{
        const struct bus_range ranges[] = {
                { layout.power, POWER_REGISTERS, on_read, on_write, p },
                { KEYBOARD_COMMAND, 1, NULL, on_keyboard, p },
                { CHIPSET_RESET, 1, NULL, on_chipset, p },
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
