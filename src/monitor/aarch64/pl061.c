/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/aarch64/pl061.h"

#include <errno.h>

#include "monitor/bus.h"

#define PART 0x00041061

/* Below CONTROL: the pins; bits 2 to 9 of the address say which. */
#define CONTROL 0x400 /* enum pl061_control */
#define RAISED 0x414
#define RAISED_MASKED 0x418
#define CLEAR 0x41c

#define PRESS_NS (100 * NSEC_PER_MSEC)

static uint8_t pins(const struct pl061 *p)
{
        uint8_t direction = p->control[PL061_DIRECTION];

        return (uint8_t) ((p->inputs & ~direction) | (p->outputs & direction));
}

static uint8_t raised(const struct pl061 *p)
{
        uint8_t is_level = p->control[PL061_IS_LEVEL];

        return (uint8_t) ((p->edges & ~is_level) | (~(pins(p) ^ p->control[PL061_RISING]) & is_level));
}

static void update(struct pl061 *p) { wire_set(&p->wire, raised(p) & p->control[PL061_MASK]); }

static void set_inputs(struct pl061 *p, uint8_t inputs)
{
        uint8_t changed = (uint8_t) ((p->inputs ^ inputs) & ~p->control[PL061_DIRECTION]);

        p->inputs = inputs;
        p->edges |= (uint8_t) (changed & (p->control[PL061_BOTH_EDGES] | ~(inputs ^ p->control[PL061_RISING])));
        update(p);
}

static uint32_t value(const struct pl061 *p, uint64_t offset)
{
        if (offset < CONTROL)
                return pins(p) & (offset >> 2);
        if (offset >= PRIMECELL_ID)
                return primecell_id(PART, offset);
        switch (offset) {
        case RAISED:
                return raised(p);
        case RAISED_MASKED:
                return raised(p) & p->control[PL061_MASK];
        case CLEAR:
                return 0;
        default:
                return offset < CONTROL + sizeof(p->control) * 4 ? p->control[(offset - CONTROL) / 4] : 0;
        }
}

static void pl061_read(void *data, uint64_t offset, void *buf, unsigned n_bytes)
{
        register_answer(offset, buf, n_bytes, value(data, offset & ~UINT64_C(3)));
}

static void pl061_write(void *data, uint64_t offset, const void *buf, unsigned n_bytes)
{
        struct pl061 *p = data;
        uint32_t written;
        uint8_t v;

        if (!register_written(offset, buf, n_bytes, &written))
                return;
        v = (uint8_t) written;
        if (offset < CONTROL)
                p->outputs = (uint8_t) ((p->outputs & ~(offset >> 2)) | (v & (offset >> 2)));
        else if (offset == CLEAR)
                p->edges &= (uint8_t) ~v;
        else if (offset < CONTROL + sizeof(p->control) * 4)
                p->control[(offset - CONTROL) / 4] = v;
        update(p);
}

static void let_go(struct timer *t)
{
        struct pl061 *p = container_of(t, struct pl061, release);

        set_inputs(p, (uint8_t) (p->inputs & ~(1 << POWER_KEY_PIN)));
}

int pl061_press(struct pl061 *p)
{
        if (!(p->control[PL061_MASK] & (1 << POWER_KEY_PIN)))
                return -ENOTSUP;
        set_inputs(p, p->inputs | (1 << POWER_KEY_PIN));
        timer_start(&p->release, p->loop, clock_now_ns() + PRESS_NS, let_go);
        return 0;
}

int pl061_add(struct pl061 *p, struct bus *bus, gpa_t at, struct loop *loop)
{
        const struct bus_range range = {
                .start = at, .size_bytes = 0x1000, .read = pl061_read, .write = pl061_write, .data = p
        };

        p->loop = loop;
        return bus_add(bus, &range);
}

void pl061_deinit(struct pl061 *p) { timer_stop(&p->release); }
