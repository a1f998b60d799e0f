/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/devices.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "monitor/fail.h"
#include "monitor/layout.h"
#include "monitor/monitor.h"
#include "monitor/pci.h"
#include "monitor/remote.h"
#include "monitor/virtio-registers.h"

/* Devices have the PCI addresses that they have under QEMU, whose boards keep the first slots: a guest that names
   its network after the slot names it alike. */
#define FIRST_SLOT 3

struct entry {
        const struct monitor_device *device; /* borrowed */
        struct remote *remote;               /* owned, as all here */
        struct virtio_pci *pci;
        struct virtio_mmio *mmio;
        pthread_t thread; /* that connects */
        bool connecting;
        int result;
        char *error;
};

struct devices {
        struct monitor *monitor; /* borrowed */
        struct pci *pci;         /* owned */
        size_t n_mmio, n_mmio_attached;
        size_t n;
        struct entry entries[];
};

static void *connect_thread(void *data)
{
        struct entry *e = data;

        e->result = remote_connect(e->remote, &e->error);
        return NULL;
}

static int begin(struct devices *d, struct entry *e, const struct monitor_device *device)
{
        int r;

        e->device = device;
        r = remote_new(d->monitor, device, &e->remote);
        if (r < 0)
                return r;
        r = -pthread_create(&e->thread, NULL, connect_thread, e);
        e->connecting = r == 0;
        return r;
}

int devices_new(struct monitor *m, struct devices **ret)
{
        const struct monitor_spec *spec = m->spec;
        struct devices *d = calloc(1, sizeof(*d) + spec->n_devices * sizeof(d->entries[0]));
        int r = 0;

        if (!d)
                return -ENOMEM;
        d->monitor = m;
        for (size_t i = 0; i < spec->n_devices; i++)
                d->n_mmio += spec->devices[i].transport == MONITOR_MMIO;
        if (d->n_mmio > layout.n_mmio_slots)
                r = -ENOSPC;
        while (r == 0 && d->n < spec->n_devices) {
                r = begin(d, &d->entries[d->n], &spec->devices[d->n]);
                d->n++;
        }
        if (r < 0) {
                (void) devices_free(d);
                return r;
        }
        *ret = d;
        return 0;
}

static void finish(struct entry *e)
{
        if (e->connecting)
                (void) pthread_join(e->thread, NULL);
        e->connecting = false;
}

/* The last devices of a long list have the slots that QEMU's boards keep. */
static uint8_t slot_of(size_t index)
{
        size_t slot = index + FIRST_SLOT;

        return (uint8_t) (slot < PCI_SLOTS - 1 ? slot : slot - (PCI_SLOTS - 1) + 1);
}

static int attach(struct devices *d, size_t index)
{
        struct entry *e = &d->entries[index];

        if (e->device->transport == MONITOR_PCI)
                return virtio_pci_new(d->monitor, d->pci, slot_of(index), e->remote, &e->pci);
        return virtio_mmio_new(d->monitor, (unsigned) d->n_mmio_attached++, e->remote, &e->mmio);
}

int devices_attach(struct devices *d, char **ret_error)
{
        int r;

        *ret_error = NULL;
        for (size_t i = 0; i < d->n; i++)
                finish(&d->entries[i]);
        for (size_t i = 0; i < d->n; i++) {
                if (d->entries[i].result == 0)
                        continue;
                *ret_error = take_ptr(&d->entries[i].error);
                return d->entries[i].result;
        }
        r = pci_new(d->monitor, &d->pci);
        if (r < 0)
                return r;
        for (size_t i = 0; i < d->n; i++) {
                r = attach(d, i);
                if (r < 0)
                        return fail(r, ret_error, "device %s: %s", d->entries[i].device->id, strerror(-r));
        }
        return 0;
}

void devices_pause(struct devices *d)
{
        for (size_t i = 0; i < d->n; i++)
                remote_pause(d->entries[i].remote);
}

void devices_resume(struct devices *d)
{
        for (size_t i = 0; i < d->n; i++)
                remote_resume(d->entries[i].remote);
}

struct devices *devices_free(struct devices *d)
{
        if (!d)
                return NULL;
        for (size_t i = 0; i < d->n; i++) {
                struct entry *e = &d->entries[i];

                finish(e);
                e->pci = virtio_pci_free(e->pci);
                e->mmio = virtio_mmio_free(e->mmio);
                e->remote = remote_free(e->remote);
                free(e->error);
        }
        d->pci = pci_free(d->pci);
        free(d);
        return NULL;
}

size_t devices_n_mmio(const struct devices *d)
{
        return d->n_mmio;
}
