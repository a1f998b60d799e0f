/* SPDX-License-Identifier: MPL-2.0 */
/* The DSDT: every device that does not tell of itself. In comments: the same in ASL. */
#include <assert.h>
#include <stdio.h>

#include "base/macros.h"
#include "monitor/layout.h"
#include "monitor/x86_64/acpi.h"
#include "monitor/x86_64/x86.h"

/* The bytes of a string, without its end. */
#define PUT_AML(a, text) aml_put_bytes((a), (text), sizeof(text) - 1)

/* A device and its resources, of which none has more than one of a kind. */
struct device {
        const char *name, *hid;
        uint8_t uid;
        uint16_t ports;
        uint8_t n_ports;
        uint32_t memory, memory_bytes;
        unsigned line; /* 0: none */
        bool edge;
};

/* Return: what aml_close() is given. */
static size_t open_device(struct aml *a, const struct device *d)
{
        size_t device = aml_open(a, AML_DEVICE, d->name), resources;

        aml_name_string(a, "_HID", d->hid);
        aml_name_integer(a, "_UID", d->uid);
        resources = aml_open_resources(a);
        if (d->n_ports)
                aml_resource_ports(a, d->ports, d->n_ports);
        if (d->memory_bytes)
                aml_resource_memory(a, d->memory, d->memory_bytes);
        if (d->line)
                aml_resource_interrupt(a, d->line, d->edge);
        aml_close_resources(a, resources);
        return device;
}

static void write_device(struct aml *a, const struct device *d) { aml_close(a, open_device(a, d)); }

/* The host bridge. Its devices use messages only, so there are no wired interrupts to route. */
static void write_pci(const struct layout *l, struct aml *a)
{
        size_t device = aml_open(a, AML_DEVICE, "PCI0"), resources;

        aml_name_string(a, "_HID", "PNP0A08"); /* PCI Express */
        aml_name_string(a, "_CID", "PNP0A03");
        aml_name_integer(a, "_UID", 0);
        resources = aml_open_resources(a);
        aml_resource_buses(a, 0, (uint16_t) ((l->ecam_bytes >> 20) - 1));
        aml_resource_window(a, (uint32_t) l->pci_window, (uint32_t) l->pci_window_bytes);
        aml_close_resources(a, resources);
        /* Method (_OSC, 4) { Return (Arg3) }: whatever the guest asks to control is its own */
        PUT_AML(a, "\x14\x08_OSC\x04\xa4\x6b");
        aml_close(a, device);
}

static_assert(POWER_SLEEP_OFF == 5 && POWER_EVENT_BUTTON == 1, "as the bytes below have it");

/*
 * The power button, and the device whose interrupt tells of it, which is the only event there is:
 *   OperationRegion (EVTS, SystemIO, ..., 1)
 *   Field (EVTS, ByteAcc) { EVT0, 8 }
 *   Method (_EVT, 1, Serialized) { If (EVT0) { Notify (\_SB.PWRB, 0x80) } }
 */
static void write_power(const struct layout *l, struct aml *a)
{
        size_t device;

        device = aml_open(a, AML_DEVICE, "PWRB");
        aml_name_string(a, "_HID", "PNP0C0C");
        aml_close(a, device);

        device = open_device(a, &(struct device){ .name = "GED_", .hid = "ACPI0013", .line = l->power_line });
        PUT_AML(a, "\x5b\x80" "EVTS\x01\x0b");
        aml_put(a, l->power + POWER_EVENTS, 2);
        PUT_AML(a, "\x01");
        PUT_AML(a, "\x5b\x81\x0b" "EVTS\x01" "EVT0\x08");
        PUT_AML(a, "\x14\x19_EVT\x09\xa0\x12" "EVT0\x86\\\x2e_SB_PWRB\x0a\x80");
        aml_close(a, device);
}

static void write_mmio(const struct layout *l, struct aml *a, unsigned slot)
{
        char name[5];

        (void) snprintf(name, sizeof(name), "VR%02X", slot & 0xff);
        write_device(a, &(struct device){ .name = name, .hid = "LNRO0005", /* virtio-mmio */
                                          .uid = (uint8_t) slot,
                                          .memory = (uint32_t) (l->mmio_slots + (gpa_t) slot * MMIO_SLOT_BYTES),
                                          .memory_bytes = MMIO_SLOT_BYTES,
                                          .line = l->mmio_line + slot,
                                          .edge = true });
}

void acpi_write_dsdt(const struct acpi_machine *machine, struct aml *a)
{
        const struct layout *l = machine->layout;
        const struct device devices[] = {
                { .name = "COM1", .hid = "PNP0501", .ports = (uint16_t) l->serial, .n_ports = SERIAL_16550_BYTES,
                  .line = l->serial_line, .edge = true },
                { .name = "PEVT", .hid = "QEMU0001", .ports = (uint16_t) l->panic, .n_ports = PVPANIC_BYTES },
                /* Configuration space must be somebody's for Linux to use it. */
                { .name = "ECAM", .hid = "PNP0C02", .memory = (uint32_t) l->ecam,
                  .memory_bytes = (uint32_t) l->ecam_bytes },
        };
        size_t scope;

        /* Name (_S5, Package () { POWER_SLEEP_OFF, POWER_SLEEP_OFF, 0, 0 }) */
        PUT_AML(a, "\x08_S5_\x12\x08\x04\x0a\x05\x0a\x05\x00\x00");
        scope = aml_open(a, AML_SCOPE, "\\_SB_");
        write_power(l, a);
        for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
                write_device(a, &devices[i]);
        write_pci(l, a);
        for (unsigned i = 0; i < machine->n_mmio; i++)
                write_mmio(l, a, i);
        aml_close(a, scope);
}
