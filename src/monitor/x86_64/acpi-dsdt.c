/* SPDX-License-Identifier: MPL-2.0 */
/* The DSDT: every device that does not tell of itself. In comments: the same in ASL. */
#include <stdio.h>

#include "monitor/layout.h"
#include "monitor/x86_64/acpi.h"
#include "monitor/x86_64/aml.h"
#include "monitor/x86_64/x86.h"

/* Name (_S5, Package () { SLEEP_OFF, SLEEP_OFF, 0, 0 }) */
static void write_sleep(struct aml *a)
{
        size_t package;

        aml_name(a, "\\_S5_");
        package = aml_open_package(a, 4);
        aml_integer(a, POWER_SLEEP_OFF);
        aml_integer(a, POWER_SLEEP_OFF);
        aml_integer(a, 0);
        aml_integer(a, 0);
        aml_close(a, package);
}

/* The host bridge. Its devices use messages only, so there are no wired interrupts to route. */
static void write_pci(const struct layout *l, struct aml *a)
{
        size_t device = aml_open_device(a, "PCI0"), method;
        struct aml_resources resources;

        aml_name_eisa_id(a, "_HID", "PNP0A08"); /* PCI Express */
        aml_name_eisa_id(a, "_CID", "PNP0A03");
        aml_name_integer(a, "_SEG", 0);
        aml_name_integer(a, "_BBN", 0);
        aml_name_integer(a, "_UID", 0);
        aml_resources_init(&resources);
        aml_resource_buses(&resources, 0, (uint16_t) ((l->ecam_bytes >> 20) - 1));
        aml_resource_window(&resources, (uint32_t) l->pci_window, (uint32_t) l->pci_window_bytes);
        aml_name_resources(a, &resources);
        /* Method (_OSC, 4) { Return (Arg3) }: whatever the guest asks to control is its own */
        method = aml_open_method(a, "_OSC", 4, false);
        aml_put(a, AML_RETURN, 1);
        aml_put(a, AML_ARG3, 1);
        aml_close(a, method);
        aml_close(a, device);

        /* Configuration space must be somebody's for Linux to use it. */
        device = aml_open_device(a, "ECAM");
        aml_name_eisa_id(a, "_HID", "PNP0C02");
        aml_resources_init(&resources);
        aml_resource_memory(&resources, (uint32_t) l->ecam, (uint32_t) l->ecam_bytes);
        aml_name_resources(a, &resources);
        aml_close(a, device);
}

static void write_mmio(const struct layout *l, struct aml *a, unsigned slot)
{
        struct aml_resources resources;
        char name[5];
        size_t device;

        (void) snprintf(name, sizeof(name), "VR%02X", slot & 0xff);
        device = aml_open_device(a, name);
        aml_name_string(a, "_HID", "LNRO0005"); /* virtio-mmio */
        aml_name_integer(a, "_UID", slot);
        aml_resources_init(&resources);
        aml_resource_memory(&resources, (uint32_t) (l->mmio_slots + (gpa_t) slot * MMIO_SLOT_BYTES), MMIO_SLOT_BYTES);
        aml_resource_interrupt(&resources, l->mmio_line + slot, true);
        aml_name_resources(a, &resources);
        aml_close(a, device);
}

static void write_serial(const struct layout *l, struct aml *a)
{
        size_t device = aml_open_device(a, "COM1");
        struct aml_resources resources;

        aml_name_eisa_id(a, "_HID", "PNP0501");
        aml_name_integer(a, "_UID", 0);
        aml_resources_init(&resources);
        aml_resource_ports(&resources, (uint16_t) l->serial, SERIAL_16550_BYTES);
        aml_resource_interrupt(&resources, l->serial_line, true);
        aml_name_resources(a, &resources);
        aml_close(a, device);
}

static void write_panic(const struct layout *l, struct aml *a)
{
        size_t device = aml_open_device(a, "PEVT");
        struct aml_resources resources;

        aml_name_string(a, "_HID", "QEMU0001"); /* pvpanic */
        aml_resources_init(&resources);
        aml_resource_ports(&resources, (uint16_t) l->panic, PVPANIC_BYTES);
        aml_name_resources(a, &resources);
        aml_close(a, device);
}

/*
 * The power button, and the device whose interrupt tells of it:
 *   OperationRegion (EVTS, SystemIO, ...)
 *   Field (EVTS, ByteAcc) { EVT0, 8 }
 *   Method (_EVT, 1, Serialized) {
 *           Local0 = EVT0
 *           If (Local0 & POWER_EVENT_BUTTON) { Notify (\_SB.PWRB, 0x80) }
 *   }
 */
static void write_power(const struct layout *l, struct aml *a)
{
        struct aml_resources resources;
        size_t device, object, body;

        device = aml_open_device(a, "PWRB");
        aml_name_eisa_id(a, "_HID", "PNP0C0C");
        aml_close(a, device);

        device = aml_open_device(a, "GED_");
        aml_name_string(a, "_HID", "ACPI0013");
        aml_name_integer(a, "_UID", 0);
        aml_resources_init(&resources);
        aml_resource_interrupt(&resources, l->power_line, false);
        aml_name_resources(a, &resources);
        aml_port_region(a, "EVTS", (uint16_t) (l->power + POWER_EVENTS), 1);
        object = aml_open_field(a, "EVTS");
        aml_field_byte(a, "EVT0");
        aml_close(a, object);
        object = aml_open_method(a, "_EVT", 1, true);
        aml_put(a, AML_STORE, 1);
        aml_name_path(a, "EVT0");
        aml_put(a, AML_LOCAL0, 1);
        body = aml_open_if(a);
        aml_put(a, AML_AND, 1);
        aml_put(a, AML_LOCAL0, 1);
        aml_integer(a, POWER_EVENT_BUTTON);
        aml_put(a, 0, 1);
        aml_put(a, AML_NOTIFY, 1);
        aml_name_path(a, "\\_SB_PWRB");
        aml_integer(a, 0x80);
        aml_close(a, body);
        aml_close(a, object);
        aml_close(a, device);
}

void acpi_write_dsdt(const struct acpi_machine *machine, struct aml *a)
{
        const struct layout *l = machine->layout;
        size_t scope;

        write_sleep(a);
        scope = aml_open_scope(a, "\\_SB_");
        write_power(l, a);
        write_serial(l, a);
        write_panic(l, a);
        write_pci(l, a);
        for (unsigned i = 0; i < machine->n_mmio; i++)
                write_mmio(l, a, i);
        aml_close(a, scope);
}
