/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: registers of the boards' own devices, from the guest: serial ports, clock, power key, watchdog, panic. The
 * input is records:
 *
 *      u8 op        bits 0-1: 1, 2, 4, 8 bytes; bit 2: a write; bits 3-7: whose (enum whose), or what else happens
 *      u16 offset   may lie past the end
 *      value        of writes: as many bytes as are written
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/macros.h"
#include "monitor/aarch64/primecell.h"
#include "monitor/test-vm.h"

#define PLACE_BYTES 0x10000

enum whose {
        PL011,
        PL031,
        PL061,
        WATCHDOG,
        PANIC,
        SERIAL,
        LOOP = 16, /* one round */
        PRESS,     /* the power key */
        PASS,      /* as much of the watchdog's time */
        PAUSE,     /* the watchdog; a write goes on */
};

struct board {
        struct monitor monitor;
        struct pl011 serial;
        struct pl031 clock;
        struct pl061 power;
        struct watchdog watchdog;
        struct serial_16550 port;
};

static uint64_t counter;

static uint64_t count(void) { return counter; }

static void start(struct board *b)
{
        if (vm_new(&b->monitor.vm) < 0 || loop_new(&b->monitor.loop) < 0)
                abort();
        b->serial = (struct pl011){ .wire = { b->monitor.vm, PL011 }, .fd = -1 };
        b->power = (struct pl061){ .wire = { b->monitor.vm, PL061 } };
        b->watchdog = (struct watchdog){
                .wire = { b->monitor.vm, WATCHDOG }, .count = count, .frequency_hz = 1000000
        };
        b->port = (struct serial_16550){ .wire = { b->monitor.vm, SERIAL }, .fd = -1 };
        if (pl011_add(&b->serial, &b->monitor.mmio, PL011 * PLACE_BYTES) < 0 ||
            pl031_add(&b->clock, &b->monitor.mmio, PL031 * PLACE_BYTES) < 0 ||
            pl061_add(&b->power, &b->monitor.mmio, PL061 * PLACE_BYTES, b->monitor.loop) < 0 ||
            watchdog_add(&b->watchdog, &b->monitor, WATCHDOG * PLACE_BYTES) < 0 ||
            pvpanic_add(&b->monitor, &b->monitor.mmio, PANIC * PLACE_BYTES) < 0 ||
            serial_16550_add(&b->port, &b->monitor.mmio, SERIAL * PLACE_BYTES) < 0)
                abort();
}

static void stop(struct board *b)
{
        pl061_deinit(&b->power);
        watchdog_deinit(&b->watchdog);
        bus_deinit(&b->monitor.mmio);
        b->monitor.loop = loop_free(b->monitor.loop);
        b->monitor.vm = vm_free(b->monitor.vm);
}

static void happen(struct board *b, enum whose what, bool write, uint64_t value)
{
        switch (what) {
        case LOOP:
                if (loop_step(b->monitor.loop, 0) < 0)
                        abort();
                break;
        case PRESS:
                (void) pl061_press(&b->power);
                break;
        case PASS:
                counter += value;
                break;
        case PAUSE:
                watchdog_set_paused(&b->watchdog, !write);
                break;
        default:
                break;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct board b = { 0 };

        counter = 0;
        start(&b);
        while (size >= 3) {
                enum whose whose = data[0] >> 3;
                unsigned n_bytes = 1U << (data[0] & 3);
                bool write = data[0] & 4;
                uint64_t value = 0;
                uint16_t offset;

                memcpy(&offset, data + 1, sizeof(offset));
                data += 3;
                size -= 3;
                if (write) {
                        memcpy(&value, data, MIN((size_t) n_bytes, size));
                        data += MIN((size_t) n_bytes, size);
                        size -= MIN((size_t) n_bytes, size);
                }
                if (whose >= LOOP)
                        happen(&b, whose, write, value);
                else if (write)
                        (void) bus_write(&b.monitor.mmio, whose * (uint64_t) PLACE_BYTES + offset, &value, n_bytes);
                else
                        (void) bus_read(&b.monitor.mmio, whose * (uint64_t) PLACE_BYTES + offset, &value, n_bytes);
        }
        stop(&b);
        return 0;
}
