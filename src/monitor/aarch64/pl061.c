/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/aarch64/pl061.h"

#include <errno.h>

#include "monitor/bus.h"

#define PART 0x00041061

#define DATA_END 0x400 /* below: the pins; bits 2 to 9 of the address say which */
#define DIRECTION 0x400
#define IS_LEVEL 0x404
#define BOTH_EDGES 0x408
#define RISING 0x40c /* or high */
#define MASK 0x410
#define RAISED 0x414
#define RAISED_MASKED 0x418
#define CLEAR 0x41c
#define FUNCTION 0x420

#define PRESS_NS (100 * NSEC_PER_MSEC)

static uint8_t pins(const struct pl061 *p)
{
        return (uint8_t) ((p->inputs & ~p->direction) | (p->outputs & p->direction));
}

static uint8_t raised(const struct pl061 *p)
{
        return (uint8_t) ((p->edges & ~p->is_level) | (~(pins(p) ^ p->rising) & p->is_level));
}

static void update(struct pl061 *p) { wire_set(&p->wire, raised(p) & p->mask); }

static void set_inputs(struct pl061 *p, uint8_t inputs)
{
        uint8_t changed = (uint8_t) ((p->inputs ^ inputs) & ~p->direction);

        p->inputs = inputs;
        p->edges |= (uint8_t) (changed & (p->both_edges | ~(inputs ^ p->rising)));
        update(p);
}

static uint32_t value(const struct pl061 *p, uint64_t offset)
{
        if (offset < DATA_END)
                return pins(p) & (offset >> 2);
        if (offset >= PRIMECELL_ID)
                return primecell_id(PART, offset);
        switch (offset) {
        case DIRECTION:
                return p->direction;
        case IS_LEVEL:
                return p->is_level;
        case BOTH_EDGES:
                return p->both_edges;
        case RISING:
                return p->rising;
        case MASK:
                return p->mask;
        case RAISED:
                return raised(p);
        case RAISED_MASKED:
                return raised(p) & p->mask;
        case FUNCTION:
                return p->function;
        default:
                return 0;
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
        switch (offset) {
        case 0 ... DATA_END - 1:
                p->outputs = (uint8_t) ((p->outputs & ~(offset >> 2)) | (v & (offset >> 2)));
                break;
        case DIRECTION:
                p->direction = v;
                break;
        case IS_LEVEL:
                p->is_level = v;
                break;
        case BOTH_EDGES:
                p->both_edges = v;
                break;
        case RISING:
                p->rising = v;
                break;
        case MASK:
                p->mask = v;
                break;
        case CLEAR:
                p->edges &= (uint8_t) ~v;
                break;
        case FUNCTION:
                p->function = v;
                break;
        default:
                break;
        }
        update(p);
}

static void let_go(struct timer *t)
{
        struct pl061 *p = container_of(t, struct pl061, release);

        set_inputs(p, (uint8_t) (p->inputs & ~(1 << POWER_KEY_PIN)));
}

int pl061_press(struct pl061 *p)
{
        if (!(p->mask & (1 << POWER_KEY_PIN)))
                return -ENOTSUP;
        set_inputs(p, p->inputs | (1 << POWER_KEY_PIN));
        timer_start(&p->release, p->loop, clock_now_ns() + PRESS_NS, let_go);
        return 0;
}

int pl061_add(struct pl061 *p, struct bus *bus, gpa_t at, struct loop *loop)
{
        const struct bus_range range = {
                .start = at, .size_bytes = 0x1000, .name = "power", .read = pl061_read, .write = pl061_write, .data = p
        };

        p->loop = loop;
        return bus_add(bus, &range);
}

void pl061_deinit(struct pl061 *p) { timer_stop(&p->release); }
