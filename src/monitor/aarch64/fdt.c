/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/aarch64/fdt.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "monitor/aarch64/gic-map.h"
#include "monitor/aarch64/primecell.h"
#include "monitor/fail.h"
#include "monitor/layout.h"
#include "monitor/memory.h"

/* Bindings' numbers. */
#define SHARED 0
#define PRIVATE 1
#define EDGE_RISING 1
#define LEVEL_HIGH 4
#define PCI_MEMORY_32 0x02000000
#define KEY_POWER 116

#define CLOCK_HZ 24000000
#define CELLS_MAX 16

enum phandle { PHANDLE_GIC = 1, PHANDLE_MSI, PHANDLE_CLOCK, PHANDLE_POWER, PHANDLE_PCIE, PHANDLE_CHOSEN };

/* The tree as far as it is written. The first error is kept; what follows it does nothing. */
struct tree {
        void *fdt;
        const struct fdt_facts *facts;
        int error; /* of libfdt */
};

static void step(struct tree *t, int error)
{
        if (t->error == 0)
                t->error = error;
}

__attribute__((format(printf, 2, 3))) static void begin(struct tree *t, const char *format, ...)
{
        char name[64];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(name, sizeof(name), format, ap);
        va_end(ap);
        step(t, n >= 0 && (size_t) n < sizeof(name) ? fdt_begin_node(t->fdt, name) : -FDT_ERR_INTERNAL);
}

static void end(struct tree *t) { step(t, fdt_end_node(t->fdt)); }
static void flag(struct tree *t, const char *name) { step(t, fdt_property(t->fdt, name, NULL, 0)); }
static void cell(struct tree *t, const char *name, uint32_t value) { step(t, fdt_property_u32(t->fdt, name, value)); }
static void text(struct tree *t, const char *name, const char *value)
{
        step(t, fdt_property_string(t->fdt, name, value));
}

/* Several strings, each with its zero byte but the last, which is C's. */
#define texts(t, name, value) step((t), fdt_property((t)->fdt, (name), (value), sizeof(value)))

static void cells_of(struct tree *t, const char *name, const uint32_t *values, size_t n)
{
        uint32_t swapped[CELLS_MAX];

        assert(n <= CELLS_MAX);
        for (size_t i = 0; i < n; i++)
                swapped[i] = htobe32(values[i]);
        step(t, fdt_property(t->fdt, name, swapped, (int) (n * sizeof(*swapped))));
}

#define cells(t, name, ...)                                                  \
        cells_of((t), (name), (const uint32_t[]){ __VA_ARGS__ },             \
                 sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

/* A 64-bit number as two cells. */
#define WIDE(value) (uint32_t) ((uint64_t) (value) >> 32), (uint32_t) (value)

static void interrupt(struct tree *t, unsigned line, uint32_t trigger)
{
        cells(t, "interrupts", SHARED, line, trigger);
}

static void add_chosen(struct tree *t)
{
        const struct fdt_facts *f = t->facts;
        char path[32];

        (void) snprintf(path, sizeof(path), "/serial@%" PRIx64, f->layout->serial);
        begin(t, "chosen");
        text(t, "stdout-path", path);
        if (f->parameters)
                text(t, "bootargs", f->parameters);
        if (f->initrd_bytes > 0) {
                cells(t, "linux,initrd-start", WIDE(f->initrd));
                cells(t, "linux,initrd-end", WIDE(f->initrd + f->initrd_bytes));
        }
        step(t, fdt_property(t->fdt, "rng-seed", f->seed, sizeof(f->seed)));
        cells(t, "kaslr-seed", WIDE(f->kaslr_seed));
        cell(t, "phandle", PHANDLE_CHOSEN);
        end(t);
}

static void add_memory(struct tree *t)
{
        for (size_t i = 0; i < t->facts->memory->n_ranges; i++) {
                const struct memory_range *range = &t->facts->memory->ranges[i];

                begin(t, "memory@%" PRIx64, range->start);
                text(t, "device_type", "memory");
                cells(t, "reg", WIDE(range->start), WIDE(range->size_bytes));
                end(t);
        }
}

static void add_cpus(struct tree *t)
{
        begin(t, "cpus");
        cell(t, "#address-cells", 2);
        cell(t, "#size-cells", 0);
        for (unsigned i = 0; i < t->facts->n_vcpus; i++) {
                begin(t, "cpu@%" PRIx64, t->facts->mpidr[i]);
                text(t, "device_type", "cpu");
                text(t, "compatible", "arm,armv8");
                text(t, "enable-method", "psci");
                cells(t, "reg", WIDE(t->facts->mpidr[i]));
                end(t);
        }
        end(t);

        begin(t, "psci");
        texts(t, "compatible", "arm,psci-1.0\0arm,psci-0.2");
        text(t, "method", "hvc");
        end(t);
}

/* The level of a private interrupt; version 2 has a mask of CPUs beside it. */
static uint32_t private_trigger(const struct fdt_facts *f)
{
        return LEVEL_HIGH | (f->gic_version == 2 ? ((1U << f->n_vcpus) - 1) << 8 : 0);
}

static void add_timer(struct tree *t)
{
        uint32_t trigger = private_trigger(t->facts);

        begin(t, "timer");
        text(t, "compatible", "arm,armv8-timer");
        cells(t, "interrupts", PRIVATE, PRIVATE_TIMER_SECURE, trigger, PRIVATE, PRIVATE_TIMER, trigger, PRIVATE,
              PRIVATE_TIMER_VIRTUAL, trigger, PRIVATE, PRIVATE_TIMER_HYPERVISOR, trigger);
        flag(t, "always-on");
        end(t);
        if (t->facts->pmu) {
                begin(t, "pmu");
                text(t, "compatible", "arm,armv8-pmuv3");
                cells(t, "interrupts", PRIVATE, PRIVATE_PMU, trigger);
                end(t);
        }
}

/* The node in which messages end has PHANDLE_MSI in either version. */
static void add_gic(struct tree *t)
{
        bool v2 = t->facts->gic_version == 2;

        begin(t, "interrupt-controller@%x", GIC_DIST);
        text(t, "compatible", v2 ? "arm,cortex-a15-gic" : "arm,gic-v3");
        if (v2)
                cells(t, "reg", WIDE(GIC_DIST), WIDE(GIC_DIST_BYTES), WIDE(GIC_CPU), WIDE(GIC_CPU_BYTES));
        else
                cells(t, "reg", WIDE(GIC_DIST), WIDE(GIC_DIST_BYTES), WIDE(GIC_REDIST),
                      WIDE((uint64_t) t->facts->n_vcpus * GIC_REDIST_BYTES));
        flag(t, "interrupt-controller");
        cell(t, "#interrupt-cells", 3);
        cell(t, "#address-cells", 2);
        cell(t, "#size-cells", 2);
        flag(t, "ranges");
        cell(t, "phandle", PHANDLE_GIC);

        begin(t, "msi-controller@%x", v2 ? GIC_V2M : GIC_ITS);
        text(t, "compatible", v2 ? "arm,gic-v2m-frame" : "arm,gic-v3-its");
        if (v2)
                cells(t, "reg", WIDE(GIC_V2M), WIDE(GIC_V2M_BYTES));
        else
                cells(t, "reg", WIDE(GIC_ITS), WIDE(GIC_ITS_BYTES));
        flag(t, "msi-controller");
        if (!v2)
                cell(t, "#msi-cells", 1);
        cell(t, "phandle", PHANDLE_MSI);
        end(t);
        end(t);
}

/* A device with the identification registers of Arm's peripherals: Linux wants its bus clock. */
static void begin_primecell(struct tree *t, const char *name, gpa_t at, const char *compatible, int n_compatible)
{
        begin(t, "%s@%" PRIx64, name, at);
        step(t, fdt_property(t->fdt, "compatible", compatible, n_compatible));
        cells(t, "reg", WIDE(at), WIDE(PRIMECELL_BYTES));
        cells(t, "clocks", PHANDLE_CLOCK, PHANDLE_CLOCK);
        texts(t, "clock-names", "uartclk\0apb_pclk"); /* the first is the serial port's */
}

static void add_registers(struct tree *t)
{
        const struct layout *l = t->facts->layout;
        static const char serial[] = "arm,pl011\0arm,primecell", clock[] = "arm,pl031\0arm,primecell",
                          power[] = "arm,pl061\0arm,primecell";

        begin(t, "apb-pclk");
        text(t, "compatible", "fixed-clock");
        cell(t, "#clock-cells", 0);
        cell(t, "clock-frequency", CLOCK_HZ);
        cell(t, "phandle", PHANDLE_CLOCK);
        end(t);

        begin_primecell(t, "serial", l->serial, serial, sizeof(serial));
        interrupt(t, l->serial_line, LEVEL_HIGH);
        end(t);

        begin_primecell(t, "rtc", l->clock, clock, sizeof(clock));
        end(t);

        begin_primecell(t, "gpio", l->power, power, sizeof(power));
        interrupt(t, l->power_line, LEVEL_HIGH);
        flag(t, "gpio-controller");
        cell(t, "#gpio-cells", 2);
        flag(t, "interrupt-controller");
        cell(t, "#interrupt-cells", 2);
        cell(t, "#address-cells", 0);
        cell(t, "phandle", PHANDLE_POWER);
        end(t);

        begin(t, "gpio-keys");
        text(t, "compatible", "gpio-keys");
        begin(t, "power");
        text(t, "label", "power");
        cell(t, "linux,code", KEY_POWER);
        cells(t, "gpios", PHANDLE_POWER, POWER_KEY_PIN, 0);
        end(t);
        end(t);

        begin(t, "watchdog@%" PRIx64, l->watchdog);
        text(t, "compatible", "arm,sbsa-gwdt");
        cells(t, "reg", WIDE(l->watchdog), WIDE(0x1000), WIDE(l->watchdog + 0x1000), WIDE(0x1000));
        interrupt(t, l->watchdog_line, LEVEL_HIGH);
        end(t);

        begin(t, "pvpanic@%" PRIx64, l->panic);
        text(t, "compatible", "qemu,pvpanic-mmio");
        cells(t, "reg", WIDE(l->panic), WIDE(2));
        end(t);
}

static void add_bus(struct tree *t)
{
        const struct layout *l = t->facts->layout;

        begin(t, "pcie@%" PRIx64, l->ecam);
        text(t, "compatible", "pci-host-ecam-generic");
        text(t, "device_type", "pci");
        cell(t, "#address-cells", 3);
        cell(t, "#size-cells", 2);
        cells(t, "reg", WIDE(l->ecam), WIDE(l->ecam_bytes));
        cells(t, "bus-range", 0, 0);
        cell(t, "linux,pci-domain", 0);
        cells(t, "ranges", PCI_MEMORY_32, WIDE(l->pci_window), WIDE(l->pci_window), WIDE(l->pci_window_bytes));
        cells(t, "msi-map", 0, PHANDLE_MSI, 0, 0x10000);
        cell(t, "phandle", PHANDLE_PCIE);
        flag(t, "dma-coherent");
        end(t);

        for (unsigned i = 0; i < t->facts->n_mmio; i++) {
                gpa_t at = l->mmio_slots + (gpa_t) i * MMIO_SLOT_BYTES;

                begin(t, "virtio_mmio@%" PRIx64, at);
                text(t, "compatible", "virtio,mmio");
                cells(t, "reg", WIDE(at), WIDE(MMIO_SLOT_BYTES));
                interrupt(t, l->mmio_line + i, EDGE_RISING);
                flag(t, "dma-coherent");
                end(t);
        }
}

/* Names by which an overlay may refer to nodes as &name; each needs a phandle. */
static void add_symbols(struct tree *t)
{
        char path[64];

        begin(t, "__symbols__");
        text(t, "chosen", "/chosen");
        (void) snprintf(path, sizeof(path), "/interrupt-controller@%x", GIC_DIST);
        text(t, "gic", path);
        text(t, "clock", "/apb-pclk");
        (void) snprintf(path, sizeof(path), "/gpio@%" PRIx64, t->facts->layout->power);
        text(t, "pl061", path);
        (void) snprintf(path, sizeof(path), "/pcie@%" PRIx64, t->facts->layout->ecam);
        text(t, "pcie", path);
        end(t);
}

int devicetree_build(const struct fdt_facts *facts, void *buf, size_t n_bytes)
{
        struct tree t = { .fdt = buf, .facts = facts };

        assert(n_bytes <= FDT_BYTES_MAX);
        step(&t, fdt_create(buf, (int) n_bytes));
        step(&t, fdt_finish_reservemap(buf));
        begin(&t, "%s", "");
        text(&t, "model", "Busbar virtual machine");
        texts(&t, "compatible", "busbar,machine\0linux,dummy-virt");
        cell(&t, "interrupt-parent", PHANDLE_GIC);
        cell(&t, "#address-cells", 2);
        cell(&t, "#size-cells", 2);
        add_chosen(&t);
        add_memory(&t);
        add_cpus(&t);
        add_timer(&t);
        add_gic(&t);
        add_registers(&t);
        add_bus(&t);
        add_symbols(&t);
        end(&t);
        step(&t, fdt_finish(buf));
        /* The order of calls is ours and every string is bounded: only room can be missing. */
        assert(t.error == 0 || t.error == -FDT_ERR_NOSPACE);
        return t.error == 0 ? 0 : -ENOSPC;
}
