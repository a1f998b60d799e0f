/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The interrupt controller, which is in the host's kernel: version 3 with an ITS for messages, or version 2 with
 * lines set apart for messages (gic-map.h) where the host's hardware has no more.
 *
 * Spec: Linux, Documentation/virt/kvm/devices/arm-vgic*.rst.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/macros.h"
#include "monitor/aarch64/arm.h"
#include "monitor/aarch64/gic-map.h"
#include "monitor/arch.h"
#include "monitor/fail.h"
#include "monitor/vm.h"

#define V2_VCPUS_MAX 8

static bool offered(const struct monitor *m, uint32_t type)
{
        struct kvm_create_device device = { .type = type, .flags = KVM_CREATE_DEVICE_TEST };

        return ioctl(vm_fd(m->vm), KVM_CREATE_DEVICE, &device) == 0;
}

int gic_choose(struct monitor *m, char **ret_error)
{
        if (offered(m, KVM_DEV_TYPE_ARM_VGIC_V3) && offered(m, KVM_DEV_TYPE_ARM_VGIC_ITS))
                arm_of(m)->gic_version = 3;
        else if (offered(m, KVM_DEV_TYPE_ARM_VGIC_V2))
                arm_of(m)->gic_version = 2;
        else
                return fail(-ENOTSUP, ret_error, "this host's KVM offers no interrupt controller (GICv2 or GICv3)");
        if (arm_of(m)->gic_version == 2 && m->spec->n_vcpus > V2_VCPUS_MAX)
                return fail(-EINVAL, ret_error, "this host has a GICv2, with which a machine has at most %d vCPUs",
                            V2_VCPUS_MAX);
        return 0;
}

struct setting {
        uint32_t group;
        uint64_t attribute;
        const void *value; /* of the group's type */
};

static int set(int device, const struct setting *settings, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                const struct setting *s = &settings[i];
                struct kvm_device_attr attr = {
                        .group = s->group, .attr = s->attribute, .addr = (uintptr_t) s->value
                };

                if (ioctl(device, KVM_SET_DEVICE_ATTR, &attr) < 0)
                        return -errno;
        }
        return 0;
}

/* The device lives as long as the virtual machine, not as the fd. */
static int make_device(const struct monitor *m, uint32_t type, const struct setting *settings, size_t n)
{
        struct kvm_create_device device = { .type = type };
        int r;

        if (ioctl(vm_fd(m->vm), KVM_CREATE_DEVICE, &device) < 0)
                return -errno;
        r = set((int) device.fd, settings, n);
        (void) close((int) device.fd);
        return r;
}

#define ADDRESS(what, at) { KVM_DEV_ARM_VGIC_GRP_ADDR, (what), &(const uint64_t){ at } }
#define LINES { KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &(const uint32_t){ GIC_FIRST_LINE + GIC_LINES } }
#define INIT { KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL }

static int make_v3(const struct monitor *m)
{
        const struct setting gic[] = { ADDRESS(KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST),
                                       ADDRESS(KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST), LINES, INIT };
        const struct setting its[] = { ADDRESS(KVM_VGIC_ITS_ADDR_TYPE, GIC_ITS), INIT };
        int r;

        r = make_device(m, KVM_DEV_TYPE_ARM_VGIC_V3, gic, ARRAY_SIZE(gic));
        return r < 0 ? r : make_device(m, KVM_DEV_TYPE_ARM_VGIC_ITS, its, ARRAY_SIZE(its));
}

static int make_v2(struct monitor *m)
{
        const struct setting gic[] = { ADDRESS(KVM_VGIC_V2_ADDR_TYPE_DIST, GIC_DIST),
                                       ADDRESS(KVM_VGIC_V2_ADDR_TYPE_CPU, GIC_CPU), LINES, INIT };
        int r;

        r = make_device(m, KVM_DEV_TYPE_ARM_VGIC_V2, gic, ARRAY_SIZE(gic));
        return r < 0 ? r : v2m_add(&m->mmio);
}

int gic_make(struct monitor *m)
{
        return arm_of(m)->gic_version == 3 ? make_v3(m) : make_v2(m);
}

uint32_t arch_line_number(unsigned line)
{
        return KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | (GIC_FIRST_LINE + line);
}

const uint32_t arch_irqchip = 0;

void arch_route_msi(const struct vm_msi *msi, struct kvm_irq_routing_entry *route)
{
        unsigned line;

        if (v2m_line(msi->address, msi->data, &line)) {
                route->type = KVM_IRQ_ROUTING_IRQCHIP;
                route->u.irqchip.irqchip = arch_irqchip;
                route->u.irqchip.pin = line;
        } else {
                route->flags = KVM_MSI_VALID_DEVID;
                route->u.msi.devid = msi->device;
        }
}
