/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/aarch64/watchdog.h"

#include "monitor/bus.h"

#define STATUS 0x000
#define STATUS_ENABLED 1
#define STATUS_FIRST 2
#define STATUS_SECOND 4
#define OFFSET_LOW 0x008
#define OFFSET_HIGH 0x00c
#define COMPARE_LOW 0x010
#define COMPARE_HIGH 0x014
#define REFRESH 0x1000 /* the second page; reads as 0 */
#define IDENTITY 0xfcc /* of either page */
#define IDENTITY_VALUE (1 << 16) /* revision 1: an offset of 48 bits */

static uint64_t now(const struct watchdog *w) { return w->count() - w->behind; }

static void time_over(struct timer *t);

static void start_timer(struct watchdog *w)
{
        uint64_t at = now(w), ticks = w->compare > at ? w->compare - at : 0;
        uint64_t ns = MIN(ticks / w->frequency_hz, (uint64_t) INT32_MAX) * NSEC_PER_SEC +
                      ticks % w->frequency_hz * NSEC_PER_SEC / w->frequency_hz;

        if (w->enabled && !w->second && !w->paused)
                timer_start(&w->timer, w->loop, clock_now_ns() + ns, time_over);
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
                w->bite(w->data);
                return;
        }
        w->first = true;
        w->compare = now(w) + w->offset;
        start_timer(w);
        wire_set(&w->wire, true);
}

static uint32_t value(const struct watchdog *w, uint64_t offset)
{
        switch (offset) {
        case STATUS:
                return (w->enabled ? STATUS_ENABLED : 0) | (w->first ? STATUS_FIRST : 0) |
                       (w->second ? STATUS_SECOND : 0);
        case OFFSET_LOW:
                return (uint32_t) w->offset;
        case OFFSET_HIGH:
                return (uint32_t) (w->offset >> 32);
        case COMPARE_LOW:
                return (uint32_t) w->compare;
        case COMPARE_HIGH:
                return (uint32_t) (w->compare >> 32);
        case IDENTITY:
        case REFRESH + IDENTITY:
                return IDENTITY_VALUE;
        default:
                return 0;
        }
}

static void watchdog_read(void *data, uint64_t offset, void *buf, unsigned n_bytes)
{
        register_answer(offset, buf, n_bytes, value(data, offset & ~UINT64_C(3)));
        if (n_bytes == 8 && (offset & 3) == 0)
                register_answer(offset + 4, (char *) buf + 4, 4, value(data, offset + 4));
}

static void set_low(uint64_t *number, uint32_t v) { *number = (*number & ~(uint64_t) UINT32_MAX) | v; }
static void set_high(uint64_t *number, uint32_t v) { *number = (uint32_t) *number | ((uint64_t) v << 32); }

static void write_word(struct watchdog *w, uint64_t offset, uint32_t v)
{
        switch (offset) {
        case STATUS:
                w->enabled = v & STATUS_ENABLED;
                refresh(w);
                break;
        case OFFSET_LOW:
                set_low(&w->offset, v);
                refresh(w);
                break;
        case OFFSET_HIGH:
                set_high(&w->offset, v & 0xffff);
                refresh(w);
                break;
        case COMPARE_LOW:
                set_low(&w->compare, v);
                start_timer(w);
                break;
        case COMPARE_HIGH:
                set_high(&w->compare, v);
                start_timer(w);
                break;
        case REFRESH:
                refresh(w);
                break;
        default:
                break;
        }
}

static void watchdog_write(void *data, uint64_t offset, const void *buf, unsigned n_bytes)
{
        uint32_t v;

        if (!register_written(offset, buf, n_bytes, &v))
                return;
        write_word(data, offset, v);
        if (n_bytes == 8 && register_written(offset + 4, (const char *) buf + 4, 4, &v))
                write_word(data, offset + 4, v);
}

void watchdog_set_paused(struct watchdog *w, bool paused)
{
        w->paused = paused;
        start_timer(w);
}

int watchdog_add(struct watchdog *w, struct bus *bus, gpa_t at, struct loop *loop)
{
        const struct bus_range range = { .start = at,
                                         .size_bytes = 0x2000,
                                         .read = watchdog_read,
                                         .write = watchdog_write,
                                         .data = w };

        w->loop = loop;
        return bus_add(bus, &range);
}

void watchdog_deinit(struct watchdog *w) { timer_stop(&w->timer); }
