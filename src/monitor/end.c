/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "base/loop.h"
#include "monitor/monitor.h"

const char *monitor_end_name(enum monitor_end how)
{
        static const char *const names[] = {
                [MONITOR_POWERED_OFF] = "powered-off", [MONITOR_FAILED] = "failed",   [MONITOR_RESET] = "reset",
                [MONITOR_PANICKED] = "panicked",       [MONITOR_CRASHED] = "crashed", [MONITOR_WATCHDOG] = "watchdog",
                [MONITOR_STOPPED] = "stopped",
        };

        return names[how];
}

void monitor_end(struct monitor *m, enum monitor_end how, const char *text)
{
        if (atomic_exchange(&m->end.claimed, true))
                return;
        m->end.how = how;
        (void) snprintf(m->end.text, sizeof(m->end.text), "%s", text ? text : "");
        atomic_store_explicit(&m->end.over, true, memory_order_release);
        if (m->loop)
                loop_quit(m->loop, 0);
}
