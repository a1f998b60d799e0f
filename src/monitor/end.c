/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>

#include "base/loop.h"
#include "monitor/monitor.h"

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
