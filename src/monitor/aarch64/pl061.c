/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/aarch64/primecell.h"

#include <errno.h>

#include "base/macros.h"

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

static uint32_t pl061_get(void *data, uint64_t offset)
{
        const struct pl061 *p = data;

        if (offset < CONTROL)
                return pins(p) & (offset >> 2);
        if (offset >= PRIMECELL_ID)
                return primecell_id(PART, offset);
        switch (offset) {
        case RAISED:
                return raised(p);
        case RAISED_MASKED:
                return raised(p) & p->control[PL061_MASK];
        default:
                return offset < CONTROL + sizeof(p->control) * 4 ? p->control[(offset - CONTROL) / 4] : 0;
        }
}

static void pl061_set(void *data, uint64_t offset, uint32_t written)
{
        struct pl061 *p = data;
        uint8_t v = (uint8_t) written;

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
        p->loop = loop;
        return bus_add(bus, &(const struct bus_range){ .start = at, .size_bytes = PRIMECELL_BYTES, .register_bytes = 4,
                                                       .get = pl061_get, .set = pl061_set, .data = p });
}

void pl061_deinit(struct pl061 *p) { timer_stop(&p->release); }
