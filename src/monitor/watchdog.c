/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/registers.h"

#include "base/macros.h"

#define STATUS_ENABLED 1
#define STATUS_FIRST 2
#define STATUS_SECOND 4
#define OFFSET_HIGH (WATCHDOG_OFFSET + 4)
#define COMPARE_HIGH (WATCHDOG_COMPARE + 4)
#define IDENTITY 0xfcc /* of either page */
#define IDENTITY_VALUE (1 << 16) /* revision 1: an offset of 48 bits */

static uint64_t now(const struct watchdog *w) { return w->count() - w->behind; }

static void time_over(struct timer *t);

/* Counts until the next of the two times is over. */
static uint64_t counts_left(const struct watchdog *w)
{
        uint64_t at = w->paused ? w->paused_at : now(w);

        return w->compare > at ? w->compare - at : 0;
}

static void start_timer(struct watchdog *w)
{
        uint64_t ticks = counts_left(w);
        uint64_t ns = MIN(ticks / w->frequency_hz, (uint64_t) INT32_MAX) * NSEC_PER_SEC +
                      ticks % w->frequency_hz * NSEC_PER_SEC / w->frequency_hz;

        if (w->enabled && !w->second && !w->paused)
                timer_start(&w->timer, w->m->loop, clock_now_ns() + ns, time_over);
        else
                timer_stop(&w->timer);
}

static void refresh(struct watchdog *w)
{
        w->first = w->second = false;
        w->compare = now(w) + w->offset;
        start_timer(w);
        wire_set(&w->wire, false);
}

static void time_over(struct timer *t)
{
        struct watchdog *w = container_of(t, struct watchdog, timer);

        if (now(w) < w->compare) {
                start_timer(w);
                return;
        }
        if (w->first) {
                w->second = true;
                monitor_end(w->m, MONITOR_WATCHDOG, "the guest did not feed it");
                return;
        }
        w->first = true;
        w->compare = now(w) + w->offset;
        start_timer(w);
        wire_set(&w->wire, true);
}

static uint32_t watchdog_get(void *data, uint64_t offset)
{
        const struct watchdog *w = data;

        switch (offset) {
        case WATCHDOG_STATUS:
                return (w->enabled ? STATUS_ENABLED : 0) | (w->first ? STATUS_FIRST : 0) |
                       (w->second ? STATUS_SECOND : 0);
        case WATCHDOG_OFFSET:
                return (uint32_t) w->offset;
        case OFFSET_HIGH:
                return (uint32_t) (w->offset >> 32);
        case WATCHDOG_COMPARE:
                return (uint32_t) w->compare;
        case COMPARE_HIGH:
                return (uint32_t) (w->compare >> 32);
        case WATCHDOG_LEFT:
                return (uint32_t) ((counts_left(w) + (w->first ? 0 : w->offset)) / 2);
        case IDENTITY:
        case WATCHDOG_REFRESH + IDENTITY:
                return IDENTITY_VALUE;
        default:
                return 0;
        }
}

static void set_low(uint64_t *number, uint32_t v) { *number = (*number & ~(uint64_t) UINT32_MAX) | v; }
static void set_high(uint64_t *number, uint32_t v) { *number = (uint32_t) *number | ((uint64_t) v << 32); }

static void watchdog_set(void *data, uint64_t offset, uint32_t v)
{
        struct watchdog *w = data;

        switch (offset) {
        case WATCHDOG_STATUS:
                w->enabled = v & STATUS_ENABLED;
                refresh(w);
                break;
        case WATCHDOG_OFFSET:
                set_low(&w->offset, v);
                refresh(w);
                break;
        case OFFSET_HIGH:
                set_high(&w->offset, v & 0xffff);
                refresh(w);
                break;
        case WATCHDOG_COMPARE:
                set_low(&w->compare, v);
                start_timer(w);
                break;
        case COMPARE_HIGH:
                set_high(&w->compare, v);
                start_timer(w);
                break;
        case WATCHDOG_REFRESH:
                refresh(w);
                break;
        default:
                break;
        }
}

void watchdog_set_paused(struct watchdog *w, bool paused)
{
        if (paused == w->paused)
                return;
        if (paused)
                w->paused_at = now(w);
        else
                w->behind = w->count() - w->paused_at;
        w->paused = paused;
        start_timer(w);
}

int watchdog_add(struct watchdog *w, struct monitor *m, gpa_t at)
{
        w->m = m;
        w->frequency_hz = MAX(w->frequency_hz, UINT64_C(1)); /* firmware that set none: it counts as if it were slow */
        return bus_add(&m->mmio, &(const struct bus_range){ .start = at, .size_bytes = WATCHDOG_BYTES,
                                                            .register_bytes = 4, .get = watchdog_get,
                                                            .set = watchdog_set, .data = w });
}

void watchdog_deinit(struct watchdog *w) { timer_stop(&w->timer); }
