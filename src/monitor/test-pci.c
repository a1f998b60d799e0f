/* SPDX-License-Identifier: MPL-2.0 */
/* What only PCI has: configuration space, a BAR that moves, MSI-X, the window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/worker.h"
#include "monitor/layout.h"
#include "monitor/test-machine.h"
#include "vhost/test-server.h"

#define BAR (t->config_space + PCI_BASE_ADDRESS_0)
#define COMMAND (t->config_space + PCI_COMMAND)
#define CONTROL (t->config_space + t->msix_at + PCI_MSIX_FLAGS)
#define MASK_OF(vector) (t->msix_table + (vector) * 16 + 12)
#define BAR_BYTES 0x8000

struct scene {
        struct machine machine;
        struct test_server server;
        struct worker *worker;
};

static int setup(void **state)
{
        static struct scene s;

        assert_int_equal(worker_new("server", &s.worker), 0);
        test_server_start(&s.server, worker_loop(s.worker), "pci", 2);
        machine_start(&s.machine, s.server.path, MONITOR_PCI, false, false);
        *state = &s;
        return 0;
}

static int teardown(void **state)
{
        struct scene *s = *state;

        machine_stop(&s->machine);
        test_server_stop(&s->server);
        s->worker = worker_free(s->worker);
        return 0;
}

static void bus_has_a_bridge_and_devices_and_nothing_else(void **state)
{
        struct machine *t = &((struct scene *) *state)->machine;
        unsigned n = 0;

        for (unsigned function = 0; function < 256; function++) {
                uint32_t id = (uint32_t) guest_read(t, layout.ecam + function * 0x1000, 4);

                if (function == 0)
                        assert_int_equal(id, 0x00081b36);
                else if (function == 3 * 8)
                        assert_int_equal(id, 0x106a1af4);
                else
                        assert_int_equal(id, UINT32_MAX);
                n += id != UINT32_MAX;
        }
        assert_int_equal(n, 2);
        assert_int_equal(guest_read(t, t->config_space + 0x100, 4), UINT32_MAX);
        assert_int_equal(guest_read(t, t->config_space + 0xfe, 4), UINT32_MAX);
        assert_int_equal(guest_read(t, layout.ecam + PCI_CLASS_REVISION, 4), 0x06000000);
        assert_int_equal(guest_read(t, t->config_space + PCI_SUBSYSTEM_VENDOR_ID, 4), 0x11001af4);
        assert_int_equal(guest_read(t, t->config_space + PCI_INTERRUPT_PIN, 1), 0);
}

static void read_only_bits_stay(void **state)
{
        struct machine *t = &((struct scene *) *state)->machine;
        uint8_t before[64];

        for (unsigned i = 0; i < 64; i++)
                before[i] = (uint8_t) guest_read(t, t->config_space + i, 1);
        for (unsigned i = 0; i < 64; i++) {
                guest_write(t, t->config_space + i, 1, (uint8_t) ~before[i]);
                if (i != PCI_COMMAND && i != PCI_COMMAND + 1 && (i < 16 || i > 19) && i != PCI_CACHE_LINE_SIZE &&
                    i != PCI_INTERRUPT_LINE)
                        assert_int_equal(guest_read(t, t->config_space + i, 1), before[i]);
                guest_write(t, t->config_space + i, 1, before[i]);
        }
}

static void bar_tells_its_size_and_has_an_address(void **state)
{
        struct machine *t = &((struct scene *) *state)->machine;
        uint32_t at = (uint32_t) guest_read(t, BAR, 4);

        assert_true(at >= layout.pci_window && at + BAR_BYTES <= layout.pci_window + layout.pci_window_bytes);
        guest_write(t, BAR, 4, UINT32_MAX);
        assert_int_equal(guest_read(t, BAR, 4), ~(BAR_BYTES - 1U));
        guest_write(t, BAR, 4, at);
        for (unsigned i = 1; i < 6; i++) {
                guest_write(t, BAR + 4 * i, 4, UINT32_MAX);
                assert_int_equal(guest_read(t, BAR + 4 * i, 4), 0);
        }
        guest_start(t, SPLIT_FEATURES, 2, 64);
        guest_echo(t, 0, "hello");
}

/* The driver's own view of where things are follows. */
static void move_bar(struct machine *t, uint32_t from, uint32_t to)
{
        guest_write(t, BAR, 4, to);
        t->common += to - from;
        t->notify += to - from;
        t->msix_table += to - from;
}

static void moved_bar_takes_registers_and_kicks_along(void **state)
{
        struct machine *t = &((struct scene *) *state)->machine;
        uint32_t at = (uint32_t) guest_read(t, BAR, 4);
        gpa_t old = t->common;

        guest_start(t, SPLIT_FEATURES, 2, 64);
        guest_echo(t, 0, "before");
        move_bar(t, at, at + (1 << 20));
        assert_int_equal(guest_read(t, old + VIRTIO_PCI_COMMON_STATUS, 1), 0xff);
        assert_int_equal(reg_read(t, REG_STATUS), 15);
        guest_find_fds(t, 2);
        guest_echo(t, 0, "after");
        assert_int_equal(test_vm(t->m.vm)->n_kicks, 2);
}

static void memory_that_is_disabled_does_not_answer(void **state)
{
        struct machine *t = &((struct scene *) *state)->machine;

        guest_start(t, SPLIT_FEATURES, 2, 64);
        guest_write(t, COMMAND, 2, 0);
        assert_int_equal(reg_read(t, REG_STATUS), 0xff);
        assert_int_equal(test_vm(t->m.vm)->n_kicks, 0);
        guest_write(t, COMMAND, 2, PCI_COMMAND_MEMORY);
        assert_int_equal(reg_read(t, REG_STATUS), 15);
        guest_find_fds(t, 2);
        guest_echo(t, 0, "after");
}

static void bar_over_other_registers_is_nowhere(void **state)
{
        struct machine *t = &((struct scene *) *state)->machine;
        const uint32_t places[] = { (uint32_t) layout.ecam, (uint32_t) (layout.ecam + layout.ecam_bytes - BAR_BYTES), 0,
                                    ~(BAR_BYTES - 1U) };
        uint32_t at = (uint32_t) guest_read(t, BAR, 4);

        guest_start(t, SPLIT_FEATURES, 2, 64);
        for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
                guest_write(t, BAR, 4, places[i]);
                assert_int_equal(test_vm(t->m.vm)->n_kicks, 0);
                assert_int_equal(guest_read(t, layout.ecam, 4), 0x00081b36);
        }
        guest_write(t, BAR, 4, at);
        guest_find_fds(t, 2);
        guest_echo(t, 0, "after");
}

static bool attached(struct machine *t, uint32_t data)
{
        return guest_message_fd(t, data) >= 0;
}

static bool pending(struct machine *t, unsigned vector)
{
        return guest_read(t, t->msix_pending, 8) >> vector & 1;
}

static void masked_interrupts_are_pending_and_come_with_unmasking(void **state)
{
        struct machine *t = &((struct scene *) *state)->machine;
        int fd;

        guest_start(t, SPLIT_FEATURES, 2, 64);
        fd = guest_message_fd(t, 1);
        guest_echo(t, 0, "hello");
        guest_echo(t, 1, "hello");
        (void) fd_event_take(fd);
        (void) fd_event_take(guest_message_fd(t, 2));
        for (int function = 0; function < 2; function++) {
                gpa_t mask = function ? CONTROL : MASK_OF(1);
                unsigned n_bytes = function ? 2 : 4;

                guest_write(t, mask, n_bytes, function ? PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL : 1);
                assert_false(attached(t, 1));
                assert_int_equal(attached(t, 2), function == 0);
                assert_false(pending(t, 1));
                fd_event_signal(fd);
                assert_true(pending(t, 1));
                assert_false(pending(t, 2));
                guest_write(t, mask, n_bytes, function ? PCI_MSIX_FLAGS_ENABLE : 0);
                assert_int_equal(guest_message_fd(t, 1), fd);
                assert_int_equal(fd_event_take(fd), 1); /* KVM finds it there when it is attached */
        }
}

static void interrupts_without_a_vector_are_dropped(void **state)
{
        struct machine *t = &((struct scene *) *state)->machine;
        int fd;

        guest_start(t, SPLIT_FEATURES, 2, 64);
        fd = guest_message_fd(t, 0);
        guest_write(t, t->common + VIRTIO_PCI_COMMON_MSIX, 2, VIRTIO_MSI_NO_VECTOR);
        assert_int_equal(guest_read(t, t->common + VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
        assert_false(attached(t, 0));
        fd_event_signal(fd);
        guest_write(t, t->common + VIRTIO_PCI_COMMON_MSIX, 2, 0);
        assert_int_equal(guest_message_fd(t, 0), fd);
        assert_int_equal(fd_event_take(fd), 0);
}

static void vector_out_of_range_is_none(void **state)
{
        struct machine *t = &((struct scene *) *state)->machine;
        static const uint16_t vectors[] = { 3, 4, 255, 2048, 0xfffe };

        guest_start(t, SPLIT_FEATURES, 1, 64);
        reg_write(t, REG_STATUS, 0);
        assert_int_equal(guest_read(t, t->common + VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
        for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
                guest_write(t, t->common + VIRTIO_PCI_COMMON_Q_MSIX, 2, vectors[i]);
                assert_int_equal(guest_read(t, t->common + VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
        }
        assert_int_equal(test_vm(t->m.vm)->n_messages, 0);
}

static void message_may_change_and_be_shared(void **state)
{
        struct machine *t = &((struct scene *) *state)->machine;

        guest_start(t, SPLIT_FEATURES, 2, 64);
        guest_write(t, t->msix_table + 16 + 8, 4, 77);
        assert_true(attached(t, 77));
        assert_false(attached(t, 1));
        assert_int_equal(guest_read(t, t->msix_table + 16 + 8, 4), 77);
        guest_write(t, t->common + VIRTIO_PCI_COMMON_MSIX, 2, 2);
        assert_int_equal(test_vm(t->m.vm)->n_messages, 3);
        assert_int_equal(test_vm(t->m.vm)->messages[0].msi.device, 3 << 3);
        guest_write(t, CONTROL, 2, 0);
        assert_int_equal(test_vm(t->m.vm)->n_messages, 0);
}

static void driver_without_msix_polls_the_isr(void **state)
{
        struct machine *t = &((struct scene *) *state)->machine;
        uint8_t status = guest_negotiate(t, FEATURE(ECHO_FEATURE));
        gpa_t at;

        guest_setup_queue(t, 0, 64);
        reg_write(t, REG_STATUS, status | VIRTIO_STATUS_DRIVER_OK);
        t->queues[0].kick_fd = guest_kick_fd(t, 0);
        (void) guest_read(t, t->isr, 1); /* servers may call when a ring starts */
        at = guest_alloc(t, 4096);
        guest_ask(t, 0, at, "Change");
        for (unsigned isr = 0; isr != 3;) {
                isr |= (unsigned) guest_read(t, t->isr, 1);
                assert_int_equal(loop_step(t->m.loop, 1), 0);
        }
        assert_string_equal((char *) guest_pointer(t, at) + 2048, "Change");
        assert_int_equal(guest_read(t, t->isr, 1), 0);
}

static uint64_t window_read(struct machine *t, uint32_t offset, uint32_t n_bytes)
{
        guest_write(t, t->config_space + t->window_at + VIRTIO_PCI_CAP_BAR, 1, 0);
        guest_write(t, t->config_space + t->window_at + VIRTIO_PCI_CAP_OFFSET, 4, offset);
        guest_write(t, t->config_space + t->window_at + VIRTIO_PCI_CAP_LENGTH, 4, n_bytes);
        return guest_read(t, t->config_space + t->window_at + sizeof(struct virtio_pci_cap), n_bytes);
}

static void window_reaches_the_registers_and_nothing_else(void **state)
{
        struct machine *t = &((struct scene *) *state)->machine;
        gpa_t data = t->config_space + t->window_at + sizeof(struct virtio_pci_cap);

        guest_write(t, COMMAND, 2, 0); /* what the window is for */
        assert_int_equal(window_read(t, VIRTIO_PCI_COMMON_NUMQ, 2), 2);
        (void) window_read(t, VIRTIO_PCI_COMMON_STATUS, 1);
        guest_write(t, data, 1, 1);
        assert_int_equal(window_read(t, VIRTIO_PCI_COMMON_STATUS, 1), 1);
        (void) window_read(t, BAR_BYTES, 4);
        (void) window_read(t, UINT32_MAX - 3, 4);
        (void) window_read(t, 2, 4);
        (void) window_read(t, 0, 0);
        (void) window_read(t, 0, 3);
        for (unsigned n = 1; n <= 8; n++) {
                guest_write(t, t->config_space + t->window_at + VIRTIO_PCI_CAP_LENGTH, 4, UINT32_MAX);
                guest_write(t, data, n, 0);
                (void) guest_read(t, data, n);
        }
        guest_write(t, t->config_space + t->window_at + VIRTIO_PCI_CAP_BAR, 1, 4);
        guest_write(t, data, 4, 0);
        assert_int_equal(window_read(t, VIRTIO_PCI_COMMON_STATUS, 1), 1);
}

static void no_room_for_eventfds_leaves_kicks_to_the_register(void **state)
{
        struct machine *t = &((struct scene *) *state)->machine;
        uint8_t status = guest_negotiate(t, FEATURE(ECHO_FEATURE));
        gpa_t at = guest_alloc(t, 4096);

        test_vm(t->m.vm)->fail = -ENOSPC;
        guest_enable_msix(t);
        guest_setup_queue(t, 0, 64);
        reg_write(t, REG_STATUS, status | VIRTIO_STATUS_DRIVER_OK);
        guest_ask(t, 0, at, "slowly");
        guest_write(t, t->notify, 2, 0);
        while (strcmp((char *) guest_pointer(t, at) + 2048, "slowly") != 0)
                assert_int_equal(loop_step(t->m.loop, 1), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                CASE(bus_has_a_bridge_and_devices_and_nothing_else),
                CASE(read_only_bits_stay),
                CASE(bar_tells_its_size_and_has_an_address),
                CASE(moved_bar_takes_registers_and_kicks_along),
                CASE(memory_that_is_disabled_does_not_answer),
                CASE(bar_over_other_registers_is_nowhere),
                CASE(masked_interrupts_are_pending_and_come_with_unmasking),
                CASE(interrupts_without_a_vector_are_dropped),
                CASE(vector_out_of_range_is_none),
                CASE(message_may_change_and_be_shared),
                CASE(driver_without_msix_polls_the_isr),
                CASE(window_reaches_the_registers_and_nothing_else),
                CASE(no_room_for_eventfds_leaves_kicks_to_the_register),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
