/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/serial-16550.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "monitor/bus.h"
#include "monitor/vm.h"

enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };

#define IER_MASK 0x0f
#define IER_THRE 0x02 /* interrupt when the next character can be sent */
#define IIR_NONE 0x01
#define IIR_THRE 0x02
#define IIR_FIFO 0xc0
#define FCR_FIFO 0x01
#define LCR_DIVISOR 0x80
#define MCR_MASK 0x1f
#define MCR_LOOP 0x10
#define LSR_SENT 0x60  /* holding register and transmitter are empty: we send at once */
#define MSR_READY 0xb0 /* carrier, data set ready, clear to send */

void serial_16550_init(struct serial_16550 *s, struct vm *vm, unsigned line, int fd)
{
        *s = (struct serial_16550){ .vm = vm, .line = line, .fd = fd, .dll = 1 };
}

static void update_line(struct serial_16550 *s)
{
        bool level = s->thre_pending && (s->ier & IER_THRE);

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
static uint8_t modem_status(const struct serial_16550 *s)
{
        if (!(s->mcr & MCR_LOOP))
                return MSR_READY;
        return (uint8_t) ((s->mcr & 0x0c) << 4 | (s->mcr & 0x02) << 3 | (s->mcr & 0x01) << 5);
}

static uint8_t read_iir(struct serial_16550 *s)
{
        uint8_t iir = s->fifo ? IIR_FIFO : 0;

        if (!s->thre_pending || !(s->ier & IER_THRE))
                return iir | IIR_NONE;
        s->thre_pending = false;
        update_line(s);
        return iir | IIR_THRE;
}

static uint8_t read_register(struct serial_16550 *s, unsigned reg)
{
        bool divisor = s->lcr & LCR_DIVISOR;

        switch (reg) {
        case REG_DATA:
                return divisor ? s->dll : 0;
        case REG_IER:
                return divisor ? s->dlm : s->ier;
        case REG_IIR_FCR:
                return read_iir(s);
        case REG_LCR:
                return s->lcr;
        case REG_MCR:
                return s->mcr;
        case REG_LSR:
                return LSR_SENT;
        case REG_MSR:
                return modem_status(s);
        default:
                return s->scr;
        }
}

static void write_data(struct serial_16550 *s, uint8_t value)
{
        if (!(s->mcr & MCR_LOOP))
                send(s, value);
        s->thre_pending = true;
        update_line(s);
}

static void write_ier(struct serial_16550 *s, uint8_t value)
{
        /* Switched on while there is nothing to be sent: at once. */
        if (!(s->ier & IER_THRE) && (value & IER_THRE))
                s->thre_pending = true;
        s->ier = value & IER_MASK;
        update_line(s);
}

static void write_register(struct serial_16550 *s, unsigned reg, uint8_t value)
{
        bool divisor = s->lcr & LCR_DIVISOR;

        switch (reg) {
        case REG_DATA:
                if (divisor)
                        s->dll = value;
                else
                        write_data(s, value);
                break;
        case REG_IER:
                if (divisor)
                        s->dlm = value;
                else
                        write_ier(s, value);
                break;
        case REG_IIR_FCR:
                s->fifo = value & FCR_FIFO;
                break;
        case REG_LCR:
                s->lcr = value;
                break;
        case REG_MCR:
                s->mcr = value & MCR_MASK;
                break;
        case REG_SCR:
                s->scr = value;
                break;
        default:
                break; /* status: read only */
        }
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
        return (struct bus_range){ .start = start,
                                   .size_bytes = SERIAL_16550_BYTES,
                                   .read = on_read,
                                   .write = on_write,
                                   .data = s };
}
