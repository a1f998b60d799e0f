/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/x86_64/wdat.h"

#include <endian.h>
#include <string.h>

#include "base/macros.h"
#include "monitor/layout.h"
#include "monitor/monitor.h"

#define TICK_NS (WDAT_TICK_MS * NSEC_PER_MSEC)

static void on_timer(struct timer *t)
{
        struct wdat *w = container_of(t, struct wdat, timer);

        w->running = false;
        monitor_end(w->m, MONITOR_WATCHDOG, NULL);
}

static uint64_t left_ns(const struct wdat *w)
{
        uint64_t now = clock_now_ns();

        if (!w->running)
                return 0;
        if (w->paused)
                return w->left_ns;
        return w->timer.deadline_ns > now ? w->timer.deadline_ns - now : 0;
}

static void run_for(struct wdat *w, uint64_t ns)
{
        w->running = true;
        w->left_ns = ns;
        if (!w->paused)
                timer_start(&w->timer, w->m->loop, clock_now_ns() + ns, on_timer);
}

static void start(struct wdat *w) { run_for(w, w->ticks * TICK_NS); }

static void stop(struct wdat *w)
{
        w->running = false;
        timer_stop(&w->timer);
}

void wdat_set_paused(struct wdat *w, bool paused)
{
        if (w->paused == paused)
                return;
        w->left_ns = left_ns(w);
        w->paused = paused;
        if (paused)
                timer_stop(&w->timer);
        else if (w->running)
                run_for(w, w->left_ns);
}

static uint32_t read_register(const struct wdat *w, uint64_t offset)
{
        switch (offset) {
        case WDAT_CONTROL:
                return w->running;
        case WDAT_COUNTDOWN:
                return (uint32_t) ((left_ns(w) + TICK_NS - 1) / TICK_NS);
        default:
                return 0;
        }
}

static void write_register(struct wdat *w, uint64_t offset, uint32_t value)
{
        switch (offset) {
        case WDAT_CONTROL:
                if (!(value & 1))
                        stop(w);
                else if (!w->running)
                        start(w);
                break;
        case WDAT_COUNTDOWN:
                w->ticks = MAX(MIN(value, (uint32_t) WDAT_TICKS_MAX), (uint32_t) WDAT_TICKS_MIN);
                if (w->running)
                        start(w);
                break;
        case WDAT_RELOAD:
                if (w->running)
                        start(w);
                break;
        default:
                break;
        }
}

/* Registers answer to accesses of their own width only, as the table says; others read as zeros. */
static void on_read(void *data, uint64_t offset, void *buf, unsigned n_bytes)
{
        uint32_t le;

        memset(buf, 0, n_bytes);
        if (n_bytes != sizeof(le))
                return;
        le = htole32(read_register(data, offset));
        memcpy(buf, &le, sizeof(le));
}

static void on_write(void *data, uint64_t offset, const void *buf, unsigned n_bytes)
{
        uint32_t le;

        if (n_bytes != sizeof(le))
                return;
        memcpy(&le, buf, sizeof(le));
        write_register(data, offset, le32toh(le));
}

int wdat_add(struct wdat *w, struct monitor *m)
{
        const struct bus_range range = { layout.watchdog, WDAT_BYTES, on_read, on_write, w };

        *w = (struct wdat){ .m = m, .ticks = WDAT_TICKS_MAX };
        return bus_add(&m->ports, &range);
}

void wdat_deinit(struct wdat *w) { timer_stop(&w->timer); }
