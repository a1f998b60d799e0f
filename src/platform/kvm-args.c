/* SPDX-License-Identifier: MPL-2.0 */
#include "platform/kvm-args.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

/* What busbar-monitor(1) says of its limits. */
#define VCPUS_MAX 64
#define DEVICES_MAX 30
#define MMIO_MAX_X86_64 18 /* interrupt lines that are left for them */
#define MIB (UINT64_C(1) << 20)

static void add_path(struct argv *a, const char *option, const char *path)
{
        if (path)
                argv_addf(a, "--%s=%s", option, path);
}

static void add_device(struct argv *a, const struct machine_device *d)
{
        auto_cleanup(freep) char *path = escape_commas(d->socket_path);
        auto_cleanup(freep) char *text = NULL;
        size_t n = 0;
        FILE *out = open_memstream(&text, &n);

        if (!out || !path) {
                a->error = -1;
                if (out)
                        (void) fclose(out);
                return;
        }
        fprintf(out, "id=%s,type=%s,socket=%s,transport=%s,packed=%s", d->id, device_type_name(d->type), path,
                d->transport == TRANSPORT_MMIO ? "mmio" : "pci", d->packed ? "on" : "off");
        /* Of the other types the server knows how many queues it has. */
        if (d->type == DEVICE_BLK)
                fprintf(out, ",queues=%u", d->n_queues);
        if (d->queue_size > 0)
                fprintf(out, ",queue-size=%u", d->queue_size);
        if (d->type == DEVICE_NET)
                fprintf(out, ",mac=%02x:%02x:%02x:%02x:%02x:%02x", d->mac[0], d->mac[1], d->mac[2], d->mac[3],
                        d->mac[4], d->mac[5]);
        if (fclose(out) < 0)
                a->error = -1;
        argv_add(a, "--device");
        argv_add(a, text ? text : "");
}

int kvm_args(const struct machine *m, const struct kvm_fds *fds, struct argv *ret)
{
        struct argv a = { 0 };
        int r;

        argv_add(&a, "busbar");
        argv_add(&a, "monitor");
        argv_addf(&a, "--name=%s", m->id);
        argv_addf(&a, "--control-fd=%d", fds->control);
        argv_addf(&a, "--serial=%d", fds->serial);
        argv_addf(&a, "--vcpus=%u", m->n_vcpus);
        argv_addf(&a, "--memory=%llu", (unsigned long long) m->memory_bytes);
        /* Resolved when the bundle was read; what is there now must not lead elsewhere. */
        argv_add(&a, "--no-symlinks");
        add_path(&a, "kernel", m->kernel);
        add_path(&a, "initrd", m->initrd);
        if (m->parameters && *m->parameters)
                argv_addf(&a, "--parameters=%s", m->parameters);
        add_path(&a, "device-tree", m->device_tree);
        for (size_t i = 0; i < m->n_devices; i++)
                add_device(&a, &m->devices[i]);

        r = argv_error(&a);
        if (r < 0) {
                argv_deinit(&a);
                return r;
        }
        *ret = a;
        return 0;
}

char *kvm_args_check(const struct machine *m, const struct platform_probe *probe)
{
        char *text = NULL;
        size_t n_text = 0;
        FILE *out = open_memstream(&text, &n_text);
        size_t n_mmio = 0;

        if (!out)
                return NULL;
        for (size_t i = 0; i < m->n_devices && m->n_devices <= DEVICES_MAX; i++)
                n_mmio += m->devices[i].transport == TRANSPORT_MMIO;
        if (m->arch == ARCH_X86_64 && n_mmio > MMIO_MAX_X86_64)
                fprintf(out, "%zu devices of transport mmio: there is room for %d; use transport pci\n", n_mmio,
                        MMIO_MAX_X86_64);
        if (m->firmware)
                fprintf(out, "our own monitor boots kernels, no UEFI firmware\n");
        if (m->device_tree && m->arch != ARCH_AARCH64)
                fprintf(out, "%s guests have no device tree that an overlay could be applied to\n",
                        machine_arch_name(m->arch));
        if (m->memory_bytes % MIB != 0)
                fprintf(out, "memory of %llu bytes is not a whole number of MiB\n",
                        (unsigned long long) m->memory_bytes);
        if (m->n_vcpus > VCPUS_MAX)
                fprintf(out, "%u vCPUs: at most %d\n", m->n_vcpus, VCPUS_MAX);
        if (m->n_devices > DEVICES_MAX)
                fprintf(out, "%zu devices: there is room for %d\n", m->n_devices, DEVICES_MAX);
        (void) fclose(out);
        if (text && n_text == 0) {
                free(text);
                text = NULL;
        }
        return text;
}
