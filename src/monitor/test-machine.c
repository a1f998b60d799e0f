/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/test-machine.h"

#include <linux/pci_regs.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "monitor/layout.h"
#include "monitor/vm.h"
#include "vhost/test-echo.h"

#define MEMORY_BYTES (4 << 20)
#define RINGS_FROM (1 << 20)
#define SLOT 3 /* of the first device */
#define STATUS_BEFORE_FEATURES (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER)

/* Tests check in all build types. */
#define MUST(x)                                                                         \
        do {                                                                            \
                if (!(x)) {                                                             \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);         \
                        abort();                                                        \
                }                                                                       \
        } while (0)

static void *loop_thread(void *data)
{
        struct machine *t = data;

        MUST(loop_run(t->m.loop) == 0);
        return NULL;
}

uint64_t guest_read(struct machine *t, gpa_t at, unsigned n_bytes)
{
        uint64_t value = 0;

        pthread_mutex_lock(&t->m.lock);
        (void) bus_read(&t->m.mmio, at, &value, n_bytes);
        pthread_mutex_unlock(&t->m.lock);
        return value;
}

void guest_write(struct machine *t, gpa_t at, unsigned n_bytes, uint64_t value)
{
        pthread_mutex_lock(&t->m.lock);
        (void) bus_write(&t->m.mmio, at, &value, n_bytes);
        pthread_mutex_unlock(&t->m.lock);
}

static void find_capability(struct machine *t, unsigned at)
{
        gpa_t bar = guest_read(t, t->config_space + PCI_BASE_ADDRESS_0, 4);
        gpa_t offset = bar + guest_read(t, t->config_space + at + VIRTIO_PCI_CAP_OFFSET, 4);

        if (guest_read(t, t->config_space + at, 1) == PCI_CAP_ID_MSIX) {
                t->msix_at = at;
                t->msix_table = bar + guest_read(t, t->config_space + at + PCI_MSIX_TABLE, 4);
                t->msix_pending = bar + guest_read(t, t->config_space + at + PCI_MSIX_PBA, 4);
                return;
        }
        switch (guest_read(t, t->config_space + at + VIRTIO_PCI_CAP_CFG_TYPE, 1)) {
        case VIRTIO_PCI_CAP_COMMON_CFG:
                t->common = offset;
                break;
        case VIRTIO_PCI_CAP_NOTIFY_CFG:
                t->notify = offset;
                t->notify_step = (unsigned) guest_read(t, t->config_space + at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
                break;
        case VIRTIO_PCI_CAP_ISR_CFG:
                t->isr = offset;
                break;
        case VIRTIO_PCI_CAP_DEVICE_CFG:
                t->device_config = offset;
                break;
        case VIRTIO_PCI_CAP_PCI_CFG:
                t->window_at = at;
                break;
        }
}

void machine_find_registers(struct machine *t)
{
        if (t->device.transport == MONITOR_MMIO) {
                t->mmio = layout.mmio_slots;
                t->device_config = t->mmio + VIRTIO_MMIO_CONFIG;
                return;
        }
        t->config_space = layout.ecam + SLOT * 0x8000;
        for (unsigned at = (unsigned) guest_read(t, t->config_space + PCI_CAPABILITY_LIST, 1); at != 0;
             at = (unsigned) guest_read(t, t->config_space + at + PCI_CAP_LIST_NEXT, 1))
                find_capability(t, at);
        guest_write(t, t->config_space + PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void start_memory(struct machine *t)
{
        char *error = NULL;

        MUST(memory_init(&t->m.memory, MEMORY_BYTES, false, &error) == 0);
        MUST(space_new(&t->space) == 0);
        for (size_t i = 0; i < t->m.memory.n_ranges; i++) {
                const struct memory_range *range = &t->m.memory.ranges[i];
                struct region_spec spec = { .start = range->start, .size_bytes = range->size_bytes,
                                            .user_address = range->start, .fd_offset_bytes = range->offset_bytes };

                MUST(space_add(t->space, &spec, t->m.memory.fd) == 0);
        }
        t->next_free = layout.ram[0].start + RINGS_FROM;
}

static void attach(struct machine *t)
{
        char *error = NULL;
        int r = devices_attach(t->m.devices, &error);

        if (r < 0)
                fprintf(stderr, "%s\n", error ? error : strerror(-r));
        MUST(r == 0);
}

void machine_init(struct machine *t, const char *socket, enum monitor_transport transport, bool packed)
{
        log_set_level(LOG_LEVEL_ERROR); /* servers come and go here */
        *t = (struct machine) {
                .device = { .id = "echo", .virtio_id = 42, .socket_path = socket, .transport = transport,
                            .packed = packed, .queue_size_max = 64 },
                .spec = { .name = "test", .memory_bytes = MEMORY_BYTES, .n_devices = 1 },
        };
        t->spec.devices = &t->device;
        t->m.spec = &t->spec;
        pthread_mutex_init(&t->m.lock, NULL);
        MUST(vm_new(&t->m.vm) == 0);
        start_memory(t);
        MUST(loop_new(&t->m.loop) == 0);
        loop_set_mutex(t->m.loop, &t->m.lock);
}

void machine_start(struct machine *t, const char *socket, enum monitor_transport transport, bool packed, bool threaded)
{
        machine_init(t, socket, transport, packed);
        MUST(devices_new(&t->m, &t->m.devices) == 0);
        attach(t);
        t->threaded = threaded;
        if (threaded)
                MUST(pthread_create(&t->thread, NULL, loop_thread, t) == 0);
        machine_find_registers(t);
}

void machine_stop(struct machine *t)
{
        for (size_t i = 0; i < MACHINE_QUEUES_MAX; i++)
                driver_queue_deinit(&t->queues[i]);
        if (t->threaded) {
                loop_quit(t->m.loop, 0);
                MUST(pthread_join(t->thread, NULL) == 0);
        }
        t->m.devices = devices_free(t->m.devices);
        MUST(test_vm(t->m.vm)->n_kicks == 0);
        MUST(test_vm(t->m.vm)->n_lines == 0);
        MUST(test_vm(t->m.vm)->n_messages == 0);
        MUST(t->m.mmio.n_ranges == 0);
        t->m.loop = loop_free(t->m.loop);
        t->space = space_free(t->space);
        bus_deinit(&t->m.mmio);
        memory_deinit(&t->m.memory);
        t->m.vm = vm_free(t->m.vm);
        pthread_mutex_destroy(&t->m.lock);
}

struct place {
        uint16_t pci, mmio;
        uint8_t n_bytes; /* over PCI; MMIO: always words */
};

static const struct place places[] = {
        [REG_DEVICE_SELECT] = { VIRTIO_PCI_COMMON_DFSELECT, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 4 },
        [REG_DEVICE_FEATURE] = { VIRTIO_PCI_COMMON_DF, VIRTIO_MMIO_DEVICE_FEATURES, 4 },
        [REG_DRIVER_SELECT] = { VIRTIO_PCI_COMMON_GFSELECT, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 4 },
        [REG_DRIVER_FEATURE] = { VIRTIO_PCI_COMMON_GF, VIRTIO_MMIO_DRIVER_FEATURES, 4 },
        [REG_STATUS] = { VIRTIO_PCI_COMMON_STATUS, VIRTIO_MMIO_STATUS, 1 },
        [REG_GENERATION] = { VIRTIO_PCI_COMMON_CFGGENERATION, VIRTIO_MMIO_CONFIG_GENERATION, 1 },
        [REG_QUEUE_SELECT] = { VIRTIO_PCI_COMMON_Q_SELECT, VIRTIO_MMIO_QUEUE_SEL, 2 },
        [REG_QUEUE_SIZE] = { VIRTIO_PCI_COMMON_Q_SIZE, VIRTIO_MMIO_QUEUE_NUM, 2 },
        [REG_QUEUE_ENABLE] = { VIRTIO_PCI_COMMON_Q_ENABLE, VIRTIO_MMIO_QUEUE_READY, 2 },
        [REG_QUEUE_RESET] = { VIRTIO_PCI_COMMON_Q_RESET, 0x0c0, 2 },
        [REG_QUEUE_DESCRIPTORS] = { VIRTIO_PCI_COMMON_Q_DESCLO, VIRTIO_MMIO_QUEUE_DESC_LOW, 8 },
        [REG_QUEUE_DRIVER] = { VIRTIO_PCI_COMMON_Q_AVAILLO, VIRTIO_MMIO_QUEUE_AVAIL_LOW, 8 },
        [REG_QUEUE_DEVICE] = { VIRTIO_PCI_COMMON_Q_USEDLO, VIRTIO_MMIO_QUEUE_USED_LOW, 8 },
};

gpa_t reg_address(const struct machine *t, enum reg reg)
{
        return t->mmio ? t->mmio + places[reg].mmio : t->common + places[reg].pci;
}

uint64_t reg_read(struct machine *t, enum reg reg)
{
        if (t->mmio && reg == REG_QUEUE_SIZE)
                return guest_read(t, t->mmio + VIRTIO_MMIO_QUEUE_NUM_MAX, 4);
        return guest_read(t, reg_address(t, reg), t->mmio ? 4 : places[reg].n_bytes);
}

/* 64-bit registers are written in halves, as drivers have to. */
void reg_write(struct machine *t, enum reg reg, uint64_t value)
{
        gpa_t at = reg_address(t, reg);

        if (places[reg].n_bytes == 8) {
                guest_write(t, at, 4, (uint32_t) value);
                guest_write(t, at + 4, 4, value >> 32);
        } else {
                guest_write(t, at, t->mmio ? 4 : places[reg].n_bytes, value);
        }
}

uint8_t guest_negotiate(struct machine *t, uint64_t wanted)
{
        uint64_t offered = 0;

        reg_write(t, REG_STATUS, 0);
        MUST(reg_read(t, REG_STATUS) == 0);
        reg_write(t, REG_STATUS, VIRTIO_STATUS_ACKNOWLEDGE);
        reg_write(t, REG_STATUS, STATUS_BEFORE_FEATURES);
        for (unsigned i = 0; i < 2; i++) {
                reg_write(t, REG_DEVICE_SELECT, i);
                offered |= reg_read(t, REG_DEVICE_FEATURE) << (32 * i);
        }
        t->features = offered & (wanted | FEATURE(VIRTIO_FEATURE_VERSION_1));
        for (unsigned i = 0; i < 2; i++) {
                reg_write(t, REG_DRIVER_SELECT, i);
                reg_write(t, REG_DRIVER_FEATURE, (uint32_t) (t->features >> (32 * i)));
        }
        reg_write(t, REG_STATUS, STATUS_BEFORE_FEATURES | VIRTIO_STATUS_FEATURES_OK);
        return (uint8_t) reg_read(t, REG_STATUS);
}

void guest_setup_queue(struct machine *t, uint16_t index, uint16_t size)
{
        struct driver_queue *dq = &t->queues[index];
        gpa_t at = guest_alloc(t, driver_queue_bytes(t->features, size, 4));

        driver_queue_deinit(dq);
        MUST(driver_queue_init(dq, t->space, at, t->features, size, 4) == 0);
        reg_write(t, REG_QUEUE_SELECT, index);
        reg_write(t, REG_QUEUE_SIZE, size);
        reg_write(t, REG_QUEUE_DESCRIPTORS, dq->descriptors);
        reg_write(t, REG_QUEUE_DRIVER, dq->driver);
        reg_write(t, REG_QUEUE_DEVICE, dq->device);
        if (!t->mmio)
                guest_write(t, t->common + VIRTIO_PCI_COMMON_Q_MSIX, 2, index + 1U);
        reg_write(t, REG_QUEUE_ENABLE, 1);
        MUST(reg_read(t, REG_QUEUE_ENABLE) == 1);
}

void guest_enable_msix(struct machine *t)
{
        gpa_t control = t->config_space + t->msix_at + PCI_MSIX_FLAGS;
        unsigned n = (unsigned) (guest_read(t, control, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;

        guest_write(t, control, 2, PCI_MSIX_FLAGS_ENABLE);
        for (unsigned i = 0; i < n; i++) {
                guest_write(t, t->msix_table + i * 16, 4, MSI_ADDRESS);
                guest_write(t, t->msix_table + i * 16 + 4, 4, 0);
                guest_write(t, t->msix_table + i * 16 + 8, 4, i);
                guest_write(t, t->msix_table + i * 16 + 12, 4, 0);
        }
        guest_write(t, t->common + VIRTIO_PCI_COMMON_MSIX, 2, 0);
}

int guest_kick_fd(struct machine *t, uint16_t index)
{
        const struct test_vm *vm = test_vm(t->m.vm);
        gpa_t at = t->mmio ? t->mmio + VIRTIO_MMIO_QUEUE_NOTIFY : t->notify + index * t->notify_step;

        for (unsigned i = 0; i < vm->n_kicks; i++)
                if (vm->kicks[i].address == at && (!t->mmio || vm->kicks[i].value == index))
                        return vm->kicks[i].fd;
        return -1;
}

int guest_message_fd(struct machine *t, uint32_t data)
{
        const struct test_vm *vm = test_vm(t->m.vm);

        if (t->mmio)
                return vm->n_lines > 0 ? vm->lines[0].fd : -1;
        for (unsigned i = 0; i < vm->n_messages; i++)
                if (vm->messages[i].msi.data == data && vm->messages[i].msi.address == MSI_ADDRESS)
                        return vm->messages[i].fd;
        return -1;
}

void guest_find_fds(struct machine *t, uint16_t n_queues)
{
        pthread_mutex_lock(&t->m.lock);
        for (uint16_t i = 0; i < n_queues; i++) {
                t->queues[i].kick_fd = guest_kick_fd(t, i);
                t->queues[i].call_fd = guest_message_fd(t, i + 1U);
                MUST(t->queues[i].kick_fd >= 0);
                MUST(t->queues[i].call_fd >= 0);
        }
        pthread_mutex_unlock(&t->m.lock);
}

void guest_start(struct machine *t, uint64_t features, uint16_t n_queues, uint16_t queue_size)
{
        uint8_t status = guest_negotiate(t, features | FEATURE(ECHO_FEATURE));

        MUST(status & VIRTIO_STATUS_FEATURES_OK);
        if (!t->mmio)
                guest_enable_msix(t);
        for (uint16_t i = 0; i < n_queues; i++)
                guest_setup_queue(t, i, queue_size);
        reg_write(t, REG_STATUS, status | VIRTIO_STATUS_DRIVER_OK);
        MUST(reg_read(t, REG_STATUS) == (status | VIRTIO_STATUS_DRIVER_OK));
        guest_find_fds(t, n_queues);
}

gpa_t guest_alloc(struct machine *t, uint64_t n_bytes)
{
        gpa_t at = t->next_free;

        t->next_free = (at + n_bytes + 4095) & ~UINT64_C(4095);
        MUST(t->next_free <= layout.ram[0].start + MEMORY_BYTES);
        return at;
}

void *guest_pointer(struct machine *t, gpa_t at)
{
        return memory_at(&t->m.memory, at, 4096);
}

void guest_ask(struct machine *t, uint16_t queue, gpa_t at, const char *text)
{
        struct driver_buffer b[] = {
                { at, (uint32_t) strlen(text) + 1, false },
                { at + 2048, 2048, true },
        };

        memset(guest_pointer(t, at), 0, 4096);
        strcpy(guest_pointer(t, at), text);
        MUST(driver_queue_add(&t->queues[queue], b, ARRAY_SIZE(b), (void *) (uintptr_t) at) == 0);
        (void) driver_queue_kick(&t->queues[queue]);
}

static void run_loop(struct machine *t)
{
        static const struct timespec moment = { .tv_nsec = 1000000 };

        if (!t->threaded)
                MUST(loop_step(t->m.loop, 1) == 0);
        else
                (void) ppoll(NULL, 0, &moment, NULL);
}

bool guest_answered(struct machine *t, uint16_t queue, unsigned timeout_ms, void **ret_cookie, uint32_t *ret_len)
{
        struct driver_queue *dq = &t->queues[queue];
        uint64_t deadline_ns = clock_now_ns() + timeout_ms * NSEC_PER_MSEC;

        for (;;) {
                int r = driver_queue_get(dq, ret_cookie, ret_len);

                MUST(r >= 0);
                if (r > 0)
                        return true;
                if (!driver_queue_arm(dq))
                        continue;
                /* Only an interrupt makes us look again. */
                while (fd_event_take(dq->call_fd) == 0) {
                        if (clock_now_ns() > deadline_ns)
                                return false;
                        run_loop(t);
                }
        }
}

void guest_expect(struct machine *t, uint16_t queue, const char *text)
{
        uint32_t len = 0;
        void *cookie = NULL;

        MUST(guest_answered(t, queue, PATIENCE_MS, &cookie, &len));
        MUST(len == strlen(text) + 1);
        MUST(strcmp((char *) guest_pointer(t, (uintptr_t) cookie) + 2048, text) == 0);
}

void guest_echo(struct machine *t, uint16_t queue, const char *text)
{
        gpa_t at = guest_alloc(t, 4096), free_again = t->next_free - 4096;

        guest_ask(t, queue, at, text);
        guest_expect(t, queue, text);
        t->next_free = free_again;
}

void machine_wait(struct machine *t, bool (*condition)(struct machine *t))
{
        uint64_t deadline_ns = clock_now_ns() + PATIENCE_MS * NSEC_PER_MSEC;

        while (!condition(t)) {
                MUST(clock_now_ns() < deadline_ns);
                run_loop(t);
        }
}
