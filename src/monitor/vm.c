/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Interrupts: KVM knows each by a number (GSI), and one table says what each number is. Lines are the numbers
 * below VM_LINES_MAX, as they are in the table that KVM begins with; messages are numbered from there on, by their
 * handle. The table is replaced as a whole, which is slow (all vCPUs are waited for), so a message that was detached
 * keeps its place until the place is needed: masking and unmasking a vector costs no new table.
 */
#include "monitor/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "monitor/arch.h"

#define VM_LINES_MAX 128
#define VM_MESSAGES_MAX 2048
#define GUEST_ADDRESS_BITS 40 /* arm64: all that layout.h uses; more would cost a level of page tables */

struct message {
        struct vm_msi msi;
        int fd; /* borrowed; -1: not attached */
};

struct vm {
        int kvm_fd, fd; /* owned */
        uint32_t n_slots;
        bool lines[VM_LINES_MAX]; /* in use */
        struct message *messages; /* owned */
        unsigned n_messages, n_messages_allocated;
        struct kvm_irq_routing *table; /* owned; scratch for route() */
};

int vm_kvm_fd(const struct vm *vm) { return vm->kvm_fd; }
int vm_fd(const struct vm *vm) { return vm->fd; }

static int create(struct vm *vm)
{
        int bits;

        vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        if (vm->kvm_fd < 0)
                return -errno;
        if (ioctl(vm->kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
                return -EPROTONOSUPPORT;
        bits = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
        do
                vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, bits > 0 ? MIN(bits, GUEST_ADDRESS_BITS) : 0);
        while (vm->fd < 0 && errno == EINTR);
        return vm->fd < 0 ? -errno : 0;
}

int vm_new(struct vm **ret)
{
        auto_cleanup(vm_freep) struct vm *vm = NULL;
        int r;

        vm = calloc(1, sizeof(*vm));
        if (!vm)
                return -ENOMEM;
        vm->kvm_fd = vm->fd = -1;
        r = create(vm);
        if (r < 0)
                return r;
        *ret = take_ptr(&vm);
        return 0;
}

struct vm *vm_free(struct vm *vm)
{
        if (!vm)
                return NULL;
        closep(&vm->fd);
        closep(&vm->kvm_fd);
        free(vm->messages);
        free(vm->table);
        free(vm);
        return NULL;
}

int vm_add_memory(struct vm *vm, gpa_t start, uint64_t size_bytes, void *host)
{
        struct kvm_userspace_memory_region region = {
                .slot = vm->n_slots,
                .guest_phys_addr = start,
                .memory_size = size_bytes,
                .userspace_addr = (uintptr_t) host,
        };

        if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
                return -errno;
        vm->n_slots++;
        return 0;
}

static int ioeventfd(struct vm *vm, const struct vm_kick *kick, uint32_t flags)
{
        struct kvm_ioeventfd request = {
                .datamatch = kick->value,
                .addr = kick->address,
                .len = kick->n_bytes,
                .fd = kick->fd,
                .flags = flags | (kick->match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0),
        };

        return ioctl(vm->fd, KVM_IOEVENTFD, &request) < 0 ? -errno : 0;
}

int vm_add_kick(struct vm *vm, const struct vm_kick *kick)
{
        return ioeventfd(vm, kick, 0);
}

void vm_remove_kick(struct vm *vm, const struct vm_kick *kick)
{
        (void) ioeventfd(vm, kick, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static int irqfd(struct vm *vm, unsigned gsi, int fd, uint32_t flags)
{
        struct kvm_irqfd request = { .fd = (uint32_t) fd, .gsi = gsi, .flags = flags };

        return ioctl(vm->fd, KVM_IRQFD, &request) < 0 ? -errno : 0;
}

/* Gives KVM a new table. */
static int route(struct vm *vm)
{
        struct kvm_irq_routing *table;
        struct kvm_irq_routing_entry *entry;

        table = realloc(vm->table, sizeof(*table) + (VM_LINES_MAX + vm->n_messages) * sizeof(*entry));
        if (!table)
                return -ENOMEM;
        vm->table = table;
        entry = table->entries;
        for (unsigned line = 0; line < VM_LINES_MAX; line++) {
                if (!vm->lines[line])
                        continue;
                *entry++ = (struct kvm_irq_routing_entry){ .gsi = line, .type = KVM_IRQ_ROUTING_IRQCHIP,
                                                           .u.irqchip = { arch_irqchip, line } };
        }
        for (unsigned i = 0; i < vm->n_messages; i++) {
                const struct vm_msi *msi = &vm->messages[i].msi;

                *entry = (struct kvm_irq_routing_entry){
                        .gsi = VM_LINES_MAX + i, .type = KVM_IRQ_ROUTING_MSI,
                        .u.msi = { .address_lo = (uint32_t) msi->address, .address_hi = (uint32_t) (msi->address >> 32),
                                   .data = msi->data }
                };
                arch_route_msi(msi, entry++);
        }
        table->nr = (uint32_t) (entry - table->entries);
        table->flags = 0;
        return ioctl(vm->fd, KVM_SET_GSI_ROUTING, table) < 0 ? -errno : 0;
}

/* KVM's own first table has all lines; only ours must be told of a new one. */
static int use_line(struct vm *vm, unsigned line)
{
        int r = 0;

        if (line >= VM_LINES_MAX)
                return -EINVAL;
        if (!vm->lines[line]) {
                vm->lines[line] = true;
                r = vm->n_messages > 0 ? route(vm) : 0;
                if (r < 0)
                        vm->lines[line] = false;
        }
        return r;
}

int vm_attach_line(struct vm *vm, unsigned line, int fd)
{
        int r = use_line(vm, line);

        return r < 0 ? r : irqfd(vm, line, fd, 0);
}

void vm_detach_line(struct vm *vm, unsigned line, int fd)
{
        (void) irqfd(vm, line, fd, KVM_IRQFD_FLAG_DEASSIGN);
}

int vm_set_line(struct vm *vm, unsigned line, bool level)
{
        struct kvm_irq_level request = { .irq = arch_line_number(line), .level = level };
        int r = use_line(vm, line);

        if (r < 0)
                return r;
        return ioctl(vm->fd, KVM_IRQ_LINE, &request) < 0 ? -errno : 0;
}

static bool same_msi(const struct vm_msi *a, const struct vm_msi *b)
{
        return a->address == b->address && a->data == b->data && a->device == b->device;
}

/* Makes a place in the table for a message. Return: its handle or a negative errno. */
static int place_message(struct vm *vm, const struct vm_msi *msi)
{
        unsigned place = vm->n_messages;
        int r;

        for (unsigned i = 0; i < vm->n_messages; i++) {
                if (vm->messages[i].fd >= 0)
                        continue;
                if (same_msi(&vm->messages[i].msi, msi))
                        return (int) i;
                place = MIN(place, i);
        }
        if (place == VM_MESSAGES_MAX)
                return -ENOSPC;
        if (place == vm->n_messages_allocated) {
                unsigned n = vm->n_messages_allocated + 16;
                struct message *messages = reallocarray(vm->messages, n, sizeof(*messages));

                if (!messages)
                        return -ENOMEM;
                vm->messages = messages;
                vm->n_messages_allocated = n;
        }
        vm->messages[place] = (struct message){ *msi, -1 };
        vm->n_messages = MAX(vm->n_messages, place + 1);
        r = route(vm);
        if (r < 0) {
                /* A place that KVM never heard of must not be found again. */
                vm->messages[place].msi = (struct vm_msi){ .address = UINT64_MAX };
                return r;
        }
        return (int) place;
}

int vm_attach_msi(struct vm *vm, const struct vm_msi *msi, int fd)
{
        int handle, r;

        handle = place_message(vm, msi);
        if (handle < 0)
                return handle;
        r = irqfd(vm, VM_LINES_MAX + (unsigned) handle, fd, 0);
        if (r < 0)
                return r;
        vm->messages[handle].fd = fd;
        return handle;
}

void vm_detach_msi(struct vm *vm, int handle)
{
        if (handle < 0 || (unsigned) handle >= vm->n_messages || vm->messages[handle].fd < 0)
                return;
        (void) irqfd(vm, VM_LINES_MAX + (unsigned) handle, vm->messages[handle].fd, KVM_IRQFD_FLAG_DEASSIGN);
        vm->messages[handle].fd = -1;
}
