/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/registers.h"

#include <poll.h>
#include <unistd.h>

enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };

#define IER_THRE 0x02 /* interrupt when the next character can be sent */
#define IIR_NONE 0x01
#define IIR_THRE 0x02
#define IIR_FIFO 0xc0
#define FCR_FIFO 0x01
#define LCR_DIVISOR 0x80
#define MCR_LOOP 0x10
#define LSR_SENT 0x60  /* holding register and transmitter are empty: we send at once */
#define MSR_READY 0xb0 /* carrier, data set ready, clear to send */

/* The bits that each register keeps. */
static const uint8_t kept[SERIAL_16550_BYTES] = {
        [REG_IER] = 0x0f, [REG_IIR_FCR] = FCR_FIFO, [REG_LCR] = 0xff, [REG_MCR] = 0x1f, [REG_SCR] = 0xff
};

static void update_line(struct serial_16550 *s)
{
        wire_set(&s->wire, s->thre_pending && (s->registers[REG_IER] & IER_THRE));
}

/* A pipe that is ready takes a character without waiting. */
void serial_send(int fd, uint8_t c)
{
        struct pollfd ready = { .fd = fd, .events = POLLOUT };

        if (fd >= 0 && poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT))
                (void) !write(fd, &c, 1);
}

/* In loop mode the outputs of the modem control register are its inputs. */
static uint8_t modem_status(uint8_t mcr)
{
        if (!(mcr & MCR_LOOP))
                return MSR_READY;
        return (uint8_t) ((mcr & 0x0c) << 4 | (mcr & 0x02) << 3 | (mcr & 0x01) << 5);
}

/* Reading of the interrupt takes it back. */
static uint8_t read_iir(struct serial_16550 *s)
{
        uint8_t iir = (s->wire.level ? IIR_THRE : IIR_NONE) | (s->registers[REG_IIR_FCR] ? IIR_FIFO : 0);

        if (s->wire.level) {
                s->thre_pending = false;
                update_line(s);
        }
        return iir;
}

static bool is_divisor(const struct serial_16550 *s, uint64_t reg)
{
        return reg <= REG_IER && (s->registers[REG_LCR] & LCR_DIVISOR);
}

static uint32_t serial_get(void *data, uint64_t reg)
{
        struct serial_16550 *s = data;

        if (is_divisor(s, reg))
                return s->divisor[reg];
        switch (reg) {
        case REG_IIR_FCR:
                return read_iir(s);
        case REG_LSR:
                return LSR_SENT;
        case REG_MSR:
                return modem_status(s->registers[REG_MCR]);
        default:
                return s->registers[reg];
        }
}

static void serial_set(void *data, uint64_t reg, uint32_t written)
{
        struct serial_16550 *s = data;
        uint8_t value = (uint8_t) written, before = s->registers[reg];

        if (is_divisor(s, reg)) {
                s->divisor[reg] = value;
                return;
        }
        s->registers[reg] = value & kept[reg];
        if (reg == REG_DATA && !(s->registers[REG_MCR] & MCR_LOOP))
                serial_send(s->fd, value);
        /* Sent already; or the interrupt is switched on while there is nothing to be sent. */
        if (reg == REG_DATA || (reg == REG_IER && (~before & value & IER_THRE)))
                s->thre_pending = true;
        update_line(s);
}

int serial_16550_add(struct serial_16550 *s, struct bus *bus, uint64_t start)
{
        s->divisor[0] = 1;
        return bus_add(bus, &(const struct bus_range){ .start = start, .size_bytes = SERIAL_16550_BYTES,
                                                       .register_bytes = 1, .get = serial_get, .set = serial_set,
                                                       .data = s });
}
