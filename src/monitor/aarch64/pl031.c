/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/aarch64/pl031.h"

#include <time.h>

#include "monitor/bus.h"

#define PART 0x00041031

#define NOW 0x00
#define MATCH 0x04
#define LOAD 0x08
#define CONTROL 0x0c
#define MASK 0x10
#define RAISED 0x14
#define RAISED_MASKED 0x18
#define CLEAR 0x1c

static uint32_t host_now(void)
{
        struct timespec now;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        return (uint32_t) now.tv_sec;
}

static void update(struct pl031 *p) { wire_set(&p->wire, p->raised & p->mask); }

static void alarm_reached(struct timer *t)
{
        struct pl031 *p = container_of(t, struct pl031, alarm);

        p->raised = 1;
        update(p);
}

/* The alarm is when the guest's clock is at @match the next time: at once if that is now. */
static void set_alarm(struct pl031 *p)
{
        uint32_t in_s = p->match - (host_now() + p->ahead_s);

        timer_start(&p->alarm, p->loop, clock_now_ns() + in_s * NSEC_PER_SEC, alarm_reached);
}

static uint32_t value(const struct pl031 *p, uint64_t offset)
{
        if (offset >= PRIMECELL_ID)
                return primecell_id(PART, offset);
        switch (offset) {
        case NOW:
                return host_now() + p->ahead_s;
        case MATCH:
                return p->match;
        case LOAD:
                return p->loaded;
        case CONTROL:
                return 1; /* it cannot be stopped */
        case MASK:
                return p->mask;
        case RAISED:
                return p->raised;
        case RAISED_MASKED:
                return p->raised & p->mask;
        default:
                return 0;
        }
}

static void pl031_read(void *data, uint64_t offset, void *buf, unsigned n_bytes)
{
        register_answer(offset, buf, n_bytes, value(data, offset & ~UINT64_C(3)));
}

static void pl031_write(void *data, uint64_t offset, const void *buf, unsigned n_bytes)
{
        struct pl031 *p = data;
        uint32_t v;

        if (!register_written(offset, buf, n_bytes, &v))
                return;
        switch (offset) {
        case MATCH:
                p->match = v;
                set_alarm(p);
                break;
        case LOAD:
                p->loaded = v;
                p->ahead_s = v - host_now();
                set_alarm(p);
                break;
        case MASK:
                p->mask = v & 1;
                break;
        case CLEAR:
                p->raised &= ~v;
                break;
        default:
                break;
        }
        update(p);
}

int pl031_add(struct pl031 *p, struct bus *bus, gpa_t at, struct loop *loop)
{
        const struct bus_range range = {
                .start = at, .size_bytes = 0x1000, .read = pl031_read, .write = pl031_write, .data = p
        };

        p->loop = loop;
        return bus_add(bus, &range);
}

void pl031_deinit(struct pl031 *p) { timer_stop(&p->alarm); }
