/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/aarch64/primecell.h"

#define PART 0x00341011

#define DATA 0x000
#define FLAGS 0x018
#define FLAGS_RX_EMPTY (1 << 4)
#define FLAGS_TX_EMPTY (1 << 7)
#define CONTROL 0x030
#define CONTROL_RESET 0x300 /* both directions on */
#define FIFO_LEVEL 0x034
#define FIFO_LEVEL_RESET 0x12
#define MASK 0x038
#define RAISED 0x03c
#define RAISED_MASKED 0x040
#define CLEAR 0x044
#define INTERRUPT_TX (1 << 5)

/* Registers that are kept and handed back, by their number: which of their bits are there. */
static const uint32_t kept[PL011_KEPT] = {
        [0x024 / 4] = 0xffff, /* baud rate, integer */
        [0x028 / 4] = 0x3f,   /* and fraction */
        [0x02c / 4] = 0xff,   /* line control */
        [CONTROL / 4] = 0xffff,
        [FIFO_LEVEL / 4] = 0x3f,
        [MASK / 4] = 0x7ff,
        [0x048 / 4] = 7, /* DMA control */
};

static uint32_t pl011_get(void *data, uint64_t offset)
{
        const struct pl011 *p = data;

        if (offset >= PRIMECELL_ID)
                return primecell_id(PART, offset);
        switch (offset) {
        case FLAGS:
                return FLAGS_RX_EMPTY | FLAGS_TX_EMPTY;
        case RAISED:
                return p->raised;
        case RAISED_MASKED:
                return p->raised & p->kept[MASK / 4];
        default:
                return offset / 4 < PL011_KEPT ? p->kept[offset / 4] : 0;
        }
}

static void pl011_set(void *data, uint64_t offset, uint32_t v)
{
        struct pl011 *p = data;

        if (offset == DATA) {
                serial_send(p->fd, (uint8_t) v);
                p->raised |= INTERRUPT_TX; /* full and at once empty again */
        } else if (offset == CLEAR) {
                p->raised &= ~v;
        } else if (offset / 4 < PL011_KEPT) {
                p->kept[offset / 4] = v & kept[offset / 4];
        }
        wire_set(&p->wire, p->raised & p->kept[MASK / 4]);
}

int pl011_add(struct pl011 *p, struct bus *bus, gpa_t at)
{
        p->kept[CONTROL / 4] = CONTROL_RESET;
        p->kept[FIFO_LEVEL / 4] = FIFO_LEVEL_RESET;
        return bus_add(bus, &(const struct bus_range){ .start = at, .size_bytes = PRIMECELL_BYTES, .register_bytes = 4,
                                                       .get = pl011_get, .set = pl011_set, .data = p });
}
