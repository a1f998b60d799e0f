/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/serial-16550.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "monitor/bus.h"
#include "monitor/vm.h"

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

void serial_16550_init(struct serial_16550 *s, struct vm *vm, unsigned line, int fd)
{
        *s = (struct serial_16550){ .vm = vm, .line = line, .fd = fd, .divisor = { 1 } };
}

static void update_line(struct serial_16550 *s)
{
        bool level = s->thre_pending && (s->registers[REG_IER] & IER_THRE);

        if (level == s->level)
                return;
        s->level = level;
        (void) vm_set_line(s->vm, s->line, level);
}

/* A pipe that is ready takes a character without waiting. */
static void send(const struct serial_16550 *s, uint8_t c)
{
        struct pollfd ready = { .fd = s->fd, .events = POLLOUT };

        if (s->fd >= 0 && poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT))
                (void) !write(s->fd, &c, 1);
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
        uint8_t iir = (s->level ? IIR_THRE : IIR_NONE) | (s->registers[REG_IIR_FCR] ? IIR_FIFO : 0);

        if (s->level) {
                s->thre_pending = false;
                update_line(s);
        }
        return iir;
}

static bool is_divisor(const struct serial_16550 *s, unsigned reg)
{
        return reg <= REG_IER && (s->registers[REG_LCR] & LCR_DIVISOR);
}

static uint8_t read_register(struct serial_16550 *s, unsigned reg)
{
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

static void write_register(struct serial_16550 *s, unsigned reg, uint8_t value)
{
        uint8_t before = s->registers[reg];

        if (is_divisor(s, reg)) {
                s->divisor[reg] = value;
                return;
        }
        s->registers[reg] = value & kept[reg];
        if (reg == REG_DATA && !(s->registers[REG_MCR] & MCR_LOOP))
                send(s, value);
        /* Sent already; or the interrupt is switched on while there is nothing to be sent. */
        if (reg == REG_DATA || (reg == REG_IER && (~before & value & IER_THRE)))
                s->thre_pending = true;
        update_line(s);
}

/* A wide access is one to each register that it covers. */
static void on_read(void *data, uint64_t offset, void *buf, unsigned n_bytes)
{
        for (unsigned i = 0; i < n_bytes; i++)
                ((uint8_t *) buf)[i] = read_register(data, (unsigned) offset + i);
}

static void on_write(void *data, uint64_t offset, const void *buf, unsigned n_bytes)
{
        for (unsigned i = 0; i < n_bytes; i++)
                write_register(data, (unsigned) offset + i, ((const uint8_t *) buf)[i]);
}

struct bus_range serial_16550_range(struct serial_16550 *s, uint64_t start)
{
        return (struct bus_range){
                .start = start, .size_bytes = SERIAL_16550_BYTES, .read = on_read, .write = on_write, .data = s
        };
}
