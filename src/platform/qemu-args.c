/* SPDX-License-Identifier: MPL-2.0 */
#include "platform/qemu-args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Slots 0 to 2 and 31 are the board's own on q35; a fixed slot gives a device the same address at every start. */
#define FIRST_PCI_SLOT 3
#define PCI_SLOTS 28
#define MMIO_TRANSPORTS 32
#define MMIO_QUEUE_SIZE 1024
#define MIB (UINT64_C(1) << 20)

/* How long QEMU waits before it connects again to a server that went away. */
#define RECONNECT_MS 20

const char *qemu_binary(enum machine_arch arch)
{
        return arch == ARCH_AARCH64 ? "qemu-system-aarch64" : "qemu-system-x86_64";
}

static void add2(struct argv *a, const char *option, const char *value)
{
        argv_add(a, option);
        argv_add(a, value);
}

static void add_board(struct argv *a, const struct machine *m, const struct qemu_build *build)
{
        argv_add(a, "-machine");
        if (m->arch == ARCH_AARCH64)
                argv_addf(a, "virt,gic-version=%s,acpi=%s,memory-backend=ram,dump-guest-core=off",
                          build->kvm ? "host" : "3", m->firmware ? "on" : "off");
        else
                argv_addf(
                        a,
                        "q35,usb=off,sata=off,smbus=off,vmport=off,graphics=off,hpet=off,memory-backend=ram,"
                        "dump-guest-core=off%s",
                        build->version >= 800 ? ",i8042=off" : "");

        /* Over MMIO its devices would otherwise be those of before VIRTIO 1.0. */
        if (m->arch == ARCH_AARCH64)
                add2(a, "-global", "virtio-mmio.force-legacy=false");

        if (build->kvm) {
                add2(a, "-accel", "kvm");
                add2(a, "-cpu", "host");
        } else {
                /* With a thread for each vCPU, QEMU (7.2 to 10.0 at least) dies now and then at start: one vCPU's TLB
                   holds the number of a memory section that another's move of a BAR just took away
                   (iotlb_to_section()). */
                add2(a, "-accel", "tcg,thread=single");
                add2(a, "-cpu", m->arch == ARCH_AARCH64 ? "cortex-a76" : "max");
        }
        argv_add(a, "-smp");
        argv_addf(a, "%u", m->n_vcpus);
        argv_add(a, "-m");
        argv_addf(a, "%lluM", (unsigned long long) (m->memory_bytes / MIB));
        argv_add(a, "-object");
        argv_addf(a, "memory-backend-memfd,id=ram,size=%lluM,share=on,seal=on",
                  (unsigned long long) (m->memory_bytes / MIB));
}

size_t qemu_boot_files(const struct machine *m, const char *ret[QEMU_BOOT_FILES_MAX])
{
        const char *const all[QEMU_BOOT_FILES_MAX] = { m->firmware, m->kernel, m->initrd };
        size_t n = 0;

        for (size_t i = 0; i < QEMU_BOOT_FILES_MAX; i++)
                if (all[i])
                        ret[n++] = all[i];
        return n;
}

/* How QEMU opens a boot file: it takes the number of a descriptor for none of them, but a path that leads to one. */
static char *boot_path(const struct machine *m, const struct qemu_build *build, const char *path)
{
        const char *files[QEMU_BOOT_FILES_MAX];
        size_t n = qemu_boot_files(m, files);
        char *text = NULL;

        if (build->boot_fd == 0)
                return strdup(path);
        for (size_t i = 0; i < n; i++)
                if (files[i] == path && asprintf(&text, "/proc/self/fd/%d", build->boot_fd + (int) i) < 0)
                        return NULL;
        return text;
}

static void add_boot_file(struct argv *a, const char *option, const struct machine *m, const struct qemu_build *build,
                          const char *path)
{
        auto_cleanup(freep) char *text = boot_path(m, build, path);

        add2(a, option, text ? text : "");
        a->error = text ? a->error : -1;
}

static void add_boot(struct argv *a, const struct machine *m, const struct qemu_build *build)
{
        if (m->firmware) {
                auto_cleanup(freep) char *plain = boot_path(m, build, m->firmware);
                auto_cleanup(freep) char *path = plain ? escape_commas(plain) : NULL;

                argv_add(a, "-drive");
                argv_addf(a, "if=pflash,unit=0,format=raw,readonly=on,file=%s", path ? path : "");
                a->error = path ? a->error : -1;
        }
        if (m->kernel)
                add_boot_file(a, "-kernel", m, build, m->kernel);
        if (m->initrd)
                add_boot_file(a, "-initrd", m, build, m->initrd);
        if (m->kernel && m->parameters && *m->parameters)
                add2(a, "-append", m->parameters);
}

/* "virtio-net-pci,bus=pcie.0,addr=0x3" or, over MMIO, "virtio-net-device,bus=virtio-mmio-bus.0". */
static char *device_head(const struct machine_device *d, const char *pci_name, const char *mmio_name, size_t index)
{
        char *head = NULL;
        int n;

        if (d->transport == TRANSPORT_MMIO)
                /* The last transport comes first in memory; counting down lets the first device be probed first. */
                n = asprintf(&head, "%s,bus=virtio-mmio-bus.%zu", mmio_name, MMIO_TRANSPORTS - 1 - index);
        else
                /* vhost-user-rng-pci and -snd-pci are never anything but modern, and have no such property. */
                n = asprintf(&head, "%s,bus=pcie.0,addr=0x%zx%s", pci_name, index + FIRST_PCI_SLOT,
                             d->type == DEVICE_RNG || d->type == DEVICE_SOUND ? "" : ",disable-legacy=on");
        return n < 0 ? NULL : head;
}

static void add_blk(struct argv *a, const struct machine_device *d, size_t index)
{
        auto_cleanup(freep) char *head = device_head(d, "vhost-user-blk-pci", "vhost-user-blk", index);
        /* QEMU's MMIO transport offers this size whatever is asked for; the in-flight region must be as large. */
        unsigned size = d->transport == TRANSPORT_MMIO ? MMIO_QUEUE_SIZE : d->queue_size;

        argv_add(a, "-device");
        argv_addf(a, "%s,chardev=c%zu,num-queues=%u,queue-size=%u,packed=%s", head ? head : "", index, d->n_queues,
                  size, d->packed ? "on" : "off");
}

/*
 * The packed ring is never offered here: when its server dies, QEMU's vhost-user network card does not know where the
 * device stood in a packed ring (it keeps no in-flight region for a network) and would begin at the start again; in a
 * split ring it reads the place from the used index.
 *
 * QEMU 7.2 without KVM crashes when a driver starts such a card with MSI-X; it gets none there (vectors=0).
 */
static void add_net(struct argv *a, const struct machine_device *d, size_t index, const struct qemu_build *build)
{
        bool without_msix = build->version < 800 && !build->kvm && d->transport == TRANSPORT_PCI;
        auto_cleanup(freep) char *head = device_head(d, "virtio-net-pci", "virtio-net-device", index);

        argv_add(a, "-netdev");
        argv_addf(a, "vhost-user,id=n%zu,chardev=c%zu,queues=%u", index, index, d->n_queues);
        argv_add(a, "-device");
        argv_addf(a, "%s,netdev=n%zu,mac=%02x:%02x:%02x:%02x:%02x:%02x,mq=%s,packed=off%s%s", head ? head : "", index,
                  d->mac[0], d->mac[1], d->mac[2], d->mac[3], d->mac[4], d->mac[5], d->n_queues > 1 ? "on" : "off",
                  d->transport == TRANSPORT_PCI ? ",romfile=" : "", without_msix ? ",vectors=0" : "");
}

static void add_rng(struct argv *a, const struct machine_device *d, size_t index)
{
        auto_cleanup(freep) char *head = device_head(d, "vhost-user-rng-pci", "vhost-user-rng", index);

        argv_add(a, "-device");
        argv_addf(a, "%s,chardev=c%zu", head ? head : "", index);
}

/*
 * QEMU has no vhost-user console: its own virtio-console carries the bytes to the console server. It drops what its
 * channel does not take at once. A unix socket is full after some 270 writes however short they are; a fifo holds as
 * many bytes as it has room for, and outlives a server.
 */
static void add_console(struct argv *a, const struct machine_device *d, size_t index)
{
        auto_cleanup(freep) char *head = device_head(d, "virtio-serial-pci", "virtio-serial-device", index);

        argv_add(a, "-device");
        argv_addf(a, "%s,id=s%zu,max_ports=1", head ? head : "", index);
        argv_add(a, "-device");
        argv_addf(a, "virtconsole,bus=s%zu.0,chardev=c%zu", index, index);
}

static bool is_cockpit(const struct machine_device *d)
{
        return d->type == DEVICE_GPU || d->type == DEVICE_INPUT || d->type == DEVICE_SOUND;
}

bool qemu_needs_relay(const struct machine_device *d) { return is_cockpit(d); }

/* The number of scanouts is QEMU's to say; what is on them is the server's, EDID included. */
static void add_gpu(struct argv *a, const struct machine_device *d, size_t index)
{
        auto_cleanup(freep) char *head = device_head(d, "vhost-user-gpu-pci", "vhost-user-gpu", index);

        argv_add(a, "-device");
        argv_addf(a, "%s,chardev=c%zu,max_outputs=%u,packed=%s", head ? head : "", index, d->n_displays,
                  d->packed ? "on" : "off");
}

static void add_input(struct argv *a, const struct machine_device *d, size_t index)
{
        auto_cleanup(freep) char *head = device_head(d, "vhost-user-input-pci", "vhost-user-input", index);

        argv_add(a, "-device");
        argv_addf(a, "%s,chardev=c%zu", head ? head : "", index);
}

/* "controls" is only how long QEMU thinks that the configuration space is; the feature is offered by the server. */
static void add_sound(struct argv *a, const struct machine_device *d, size_t index)
{
        auto_cleanup(freep) char *head = device_head(d, "vhost-user-snd-pci", "vhost-user-snd", index);

        argv_add(a, "-device");
        argv_addf(a, "%s,chardev=c%zu,controls=on", head ? head : "", index);
}

/*
 * In 7.2 the shortest time that can be said is a second.
 *
 * QEMU 10.0's vhost-user-rng fails an assertion when it is connected again. So it gets no reconnect time: when its
 * server dies, the guest goes on without entropy from it until the machine is started again.
 *
 * Its vhost-user-input and -snd fail the same one, and another when their server dies before the guest's driver has
 * started them; its vhost-user-gpu does not tell a new server what the old one knew. They get a connection that never
 * ends: a relay's.
 */
static void add_channel(struct argv *a, const struct machine_device *d, size_t index, const struct qemu_build *build,
                        int relay_fd)
{
        auto_cleanup(freep) char *path = escape_commas(d->socket_path);

        argv_add(a, "-chardev");
        if (relay_fd > 0)
                argv_addf(a, "socket,id=c%zu,fd=%d", index, relay_fd);
        else if (d->stream)
                argv_addf(a, "pipe,id=c%zu,path=%s", index, path ? path : "");
        else if (d->type == DEVICE_RNG || qemu_needs_relay(d))
                argv_addf(a, "socket,id=c%zu,path=%s", index, path ? path : "");
        else if (build->version >= 902)
                argv_addf(a, "socket,id=c%zu,path=%s,reconnect-ms=%u", index, path ? path : "", RECONNECT_MS);
        else
                argv_addf(a, "socket,id=c%zu,path=%s,reconnect=1", index, path ? path : "");
}

static void add_device(struct argv *a, const struct machine_device *d, size_t index, const struct qemu_build *build,
                       int relay_fd)
{
        add_channel(a, d, index, build, relay_fd);
        switch (d->type) {
        case DEVICE_BLK:
                add_blk(a, d, index);
                break;
        case DEVICE_NET:
                add_net(a, d, index, build);
                break;
        case DEVICE_RNG:
                add_rng(a, d, index);
                break;
        case DEVICE_CONSOLE:
                add_console(a, d, index);
                break;
        case DEVICE_GPU:
                add_gpu(a, d, index);
                break;
        case DEVICE_INPUT:
                add_input(a, d, index);
                break;
        case DEVICE_SOUND:
                add_sound(a, d, index);
                break;
        }
}

int qemu_args(const struct machine *m, const struct qemu_build *build, struct argv *ret)
{
        auto_cleanup(freep) char *name = escape_commas(m->id);
        int relay_fd = build->relay_fd;
        struct argv a = { 0 };
        int r;

        argv_add(&a, build->binary);
        add2(&a, "-no-user-config", "-nodefaults");
        add2(&a, "-display", "none");
        add2(&a, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
        argv_add(&a, "-name");
        argv_addf(&a, "guest=%s", name ? name : "");
        argv_add(&a, "-S");
        argv_add(&a, "-preconfig"); /* until the device servers are connected: qemu.c */
        argv_add(&a, "-chardev");
        argv_addf(&a, "socket,id=qmp,fd=%d", build->qmp_fd);
        add2(&a, "-mon", "chardev=qmp,mode=control");
        add_board(&a, m, build);
        add_boot(&a, m, build);
        for (size_t i = 0; i < m->n_devices; i++) {
                bool relayed = relay_fd > 0 && qemu_needs_relay(&m->devices[i]);

                add_device(&a, &m->devices[i], i, build, relayed ? relay_fd++ : 0);
        }

        r = argv_error(&a);
        if (r < 0) {
                argv_deinit(&a);
                return r;
        }
        *ret = a;
        return 0;
}

char *qemu_args_check(const struct machine *m, unsigned version)
{
        char *text = NULL;
        size_t n_text = 0;
        FILE *out = open_memstream(&text, &n_text);

        if (!out)
                return NULL;
        if (m->memory_bytes % MIB != 0)
                fprintf(out, "memory of %llu bytes is not a whole number of MiB\n",
                        (unsigned long long) m->memory_bytes);
        if (m->n_devices > PCI_SLOTS)
                fprintf(out, "%zu devices: there is room for %d\n", m->n_devices, PCI_SLOTS);
        if (m->device_tree)
                fprintf(out, "QEMU cannot apply a device tree overlay (hwConfig.deviceTree)\n");
        for (size_t i = 0; i < m->n_devices; i++) {
                const struct machine_device *d = &m->devices[i];

                if (version < QEMU_OLDEST_COCKPIT && is_cockpit(d))
                        fprintf(out, "device %s: type %s needs QEMU 10.0 or later\n", d->id, device_type_name(d->type));
                if (d->transport == TRANSPORT_MMIO && m->arch != ARCH_AARCH64)
                        fprintf(out, "device %s: QEMU's x86 board has no virtio-mmio; use transport pci\n", d->id);
        }
        (void) fclose(out);
        if (text && n_text == 0) {
                free(text);
                text = NULL;
        }
        return text;
}
