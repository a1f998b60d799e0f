/* SPDX-License-Identifier: MPL-2.0 */
/* What a driver may do wrong with the registers (bad input 6, 7, 8), over PCI and over MMIO: nothing happens, and a
   reset makes the device as new. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/worker.h"
#include "monitor/layout.h"
#include "monitor/test-machine.h"
#include "vhost/test-server.h"

#define BEFORE_FEATURES (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER)
#define BEFORE_START (BEFORE_FEATURES | VIRTIO_STATUS_FEATURES_OK)
#define RUNNING (BEFORE_START | VIRTIO_STATUS_DRIVER_OK)

struct scene {
        struct machine machine;
        struct test_server server;
        struct worker *worker;
};

/* Afterwards the device must work. */
static void with_both(void (*body)(struct scene *s, struct machine *t))
{
        static const enum monitor_transport transports[] = { MONITOR_PCI, MONITOR_MMIO };

        for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
                static struct scene s;
                struct machine *t = &s.machine;

                assert_int_equal(worker_new("server", &s.worker), 0);
                test_server_start(&s.server, worker_loop(s.worker), "registers", 2);
                machine_start(t, s.server.path, transports[i], false, false);
                body(&s, t);
                guest_start(t, SPLIT_FEATURES, 2, 64);
                guest_echo(t, 0, "alive");
                guest_echo(t, 1, "as well");
                machine_stop(t);
                test_server_stop(&s.server);
                s.worker = worker_free(s.worker);
        }
}

static bool needs_reset(struct machine *t)
{
        return reg_read(t, REG_STATUS) & VIRTIO_STATUS_NEEDS_RESET;
}

static void as_new(struct scene *s, struct machine *t)
{
        assert_int_equal(reg_read(t, REG_STATUS), 0);
        assert_int_equal(reg_read(t, REG_QUEUE_ENABLE), 0);
        assert_int_equal(reg_read(t, REG_QUEUE_SIZE), 64);
        if (t->mmio) {
                assert_int_equal(guest_read(t, t->mmio, 4), 0x74726976);
                assert_int_equal(guest_read(t, t->mmio + 4, 4), 2);
                assert_int_equal(guest_read(t, t->mmio + 8, 4), 42);
                assert_int_equal(guest_read(t, t->mmio + 0xb0, 4), UINT32_MAX);
                assert_int_equal(guest_read(t, t->mmio + 0xb4, 4), UINT32_MAX);
                return;
        }
        assert_int_equal(guest_read(t, t->config_space, 4), 0x106a1af4);
        assert_int_equal(guest_read(t, t->common + 18, 2), 2);
        assert_int_equal(reg_read(t, REG_QUEUE_DESCRIPTORS), 0);
        assert_int_equal(reg_read(t, REG_DRIVER_FEATURE), 0);
}

static void device_begins_as_the_specification_says(void **state)
{
        with_both(as_new);
}

static void no_version_1(struct scene *s, struct machine *t)
{
        reg_write(t, REG_STATUS, BEFORE_FEATURES);
        reg_write(t, REG_DRIVER_SELECT, 0);
        reg_write(t, REG_DRIVER_FEATURE, FEATURE(ECHO_FEATURE));
        reg_write(t, REG_STATUS, BEFORE_START);
        assert_int_equal(reg_read(t, REG_STATUS), BEFORE_FEATURES);
}

static void features_without_version_1_are_refused(void **state)
{
        with_both(no_version_1);
}

static void too_many_features(struct scene *s, struct machine *t)
{
        for (unsigned bit = 0; bit < 64; bit++) {
                uint64_t features = FEATURE(VIRTIO_FEATURE_VERSION_1) | FEATURE(bit), offered = 0;

                reg_write(t, REG_STATUS, 0);
                reg_write(t, REG_STATUS, BEFORE_FEATURES);
                for (unsigned i = 0; i < 2; i++) {
                        reg_write(t, REG_DEVICE_SELECT, i);
                        offered |= reg_read(t, REG_DEVICE_FEATURE) << (32 * i);
                        reg_write(t, REG_DRIVER_SELECT, i);
                        reg_write(t, REG_DRIVER_FEATURE, (uint32_t) (features >> (32 * i)));
                }
                reg_write(t, REG_STATUS, BEFORE_START);
                assert_int_equal(!!(reg_read(t, REG_STATUS) & VIRTIO_STATUS_FEATURES_OK), !!(offered & FEATURE(bit)));
        }
        reg_write(t, REG_DEVICE_SELECT, 2);
        assert_int_equal(reg_read(t, REG_DEVICE_FEATURE), 0);
        reg_write(t, REG_DEVICE_SELECT, UINT32_MAX);
        assert_int_equal(reg_read(t, REG_DEVICE_FEATURE), 0);
        reg_write(t, REG_DRIVER_SELECT, UINT32_MAX);
        reg_write(t, REG_DRIVER_FEATURE, UINT32_MAX);
}

static void features_that_were_not_offered_are_refused(void **state)
{
        with_both(too_many_features);
}

static void features_too_late(struct scene *s, struct machine *t)
{
        assert_int_equal(guest_negotiate(t, 0), BEFORE_START);
        reg_write(t, REG_DRIVER_SELECT, 0);
        reg_write(t, REG_DRIVER_FEATURE, UINT32_MAX);
        if (!t->mmio)
                assert_int_equal(reg_read(t, REG_DRIVER_FEATURE), 0);
        guest_setup_queue(t, 0, 16);
        reg_write(t, REG_STATUS, RUNNING);
        assert_int_equal(reg_read(t, REG_STATUS), RUNNING);
}

static void features_do_not_change_once_they_are_accepted(void **state)
{
        with_both(features_too_late);
}

static void skip_features_ok(struct scene *s, struct machine *t)
{
        reg_write(t, REG_STATUS, BEFORE_FEATURES | VIRTIO_STATUS_DRIVER_OK);
        assert_int_equal(reg_read(t, REG_STATUS), BEFORE_FEATURES);
        reg_write(t, REG_STATUS, 0xff);
        assert_int_equal(reg_read(t, REG_STATUS), BEFORE_FEATURES | VIRTIO_STATUS_FAILED);
        assert_false(test_server_device_started(&s->server));
        /* No queue before the features are known. */
        reg_write(t, REG_STATUS, 0);
        reg_write(t, REG_QUEUE_SELECT, 0);
        reg_write(t, REG_QUEUE_ENABLE, 1);
        assert_int_equal(reg_read(t, REG_QUEUE_ENABLE), 0);
}

static void driver_ok_without_features_ok_is_refused(void **state)
{
        with_both(skip_features_ok);
}

static void clear_status(struct scene *s, struct machine *t)
{
        guest_start(t, SPLIT_FEATURES, 2, 64);
        reg_write(t, REG_STATUS, VIRTIO_STATUS_ACKNOWLEDGE);
        assert_int_equal(reg_read(t, REG_STATUS), RUNNING);
        reg_write(t, REG_STATUS, RUNNING | VIRTIO_STATUS_NEEDS_RESET | 0x30);
        assert_int_equal(reg_read(t, REG_STATUS), RUNNING);
        for (int i = 0; i < 3; i++)
                reg_write(t, REG_STATUS, RUNNING);
        guest_echo(t, 0, "still there");
}

static void status_is_cleared_by_a_reset_alone(void **state)
{
        with_both(clear_status);
}

static void change_enabled_queue(struct scene *s, struct machine *t)
{
        struct driver_queue *dq = &t->queues[0];

        guest_start(t, SPLIT_FEATURES, 1, 32);
        for (int i = 0; i < 2; i++) {
                /* Queue 0 runs; queue 1 was not enabled in time. */
                reg_write(t, REG_QUEUE_SELECT, i);
                reg_write(t, REG_QUEUE_SIZE, 8);
                reg_write(t, REG_QUEUE_DESCRIPTORS, dq->descriptors + 4096);
                reg_write(t, REG_QUEUE_DRIVER, UINT64_MAX);
                reg_write(t, REG_QUEUE_DEVICE, 0);
                if (!t->mmio) {
                        guest_write(t, t->common + 26, 2, 1);
                        reg_write(t, REG_QUEUE_ENABLE, 0);
                        assert_int_equal(reg_read(t, REG_QUEUE_SIZE), i == 0 ? 32 : 64);
                        assert_int_equal(reg_read(t, REG_QUEUE_DESCRIPTORS), i == 0 ? dq->descriptors : 0);
                        assert_int_equal(reg_read(t, REG_QUEUE_DEVICE), i == 0 ? dq->device : 0);
                }
                reg_write(t, REG_QUEUE_ENABLE, 1);
                assert_int_equal(reg_read(t, REG_QUEUE_ENABLE), i == 0);
        }
        guest_echo(t, 0, "not disturbed");
        assert_int_equal(guest_kick_fd(t, 1), -1);
}

static void enabled_queue_does_not_change_and_none_is_enabled_late(void **state)
{
        with_both(change_enabled_queue);
}

static void no_such_queue(struct scene *s, struct machine *t)
{
        static const uint16_t selects[] = { 2, 3, 255, 256, UINT16_MAX };

        assert_int_equal(guest_negotiate(t, SPLIT_FEATURES), BEFORE_START);
        for (size_t i = 0; i < ARRAY_SIZE(selects); i++) {
                reg_write(t, REG_QUEUE_SELECT, selects[i]);
                assert_int_equal(reg_read(t, REG_QUEUE_SIZE), 0);
                reg_write(t, REG_QUEUE_SIZE, 8);
                reg_write(t, REG_QUEUE_DESCRIPTORS, 4096);
                reg_write(t, REG_QUEUE_ENABLE, 1);
                reg_write(t, REG_QUEUE_RESET, 1);
                assert_int_equal(reg_read(t, REG_QUEUE_ENABLE), 0);
                if (!t->mmio) {
                        guest_write(t, t->common + 26, 2, 0);
                        assert_int_equal(guest_read(t, t->common + 26, 2), 0xffff);
                }
        }
        if (t->mmio) {
                guest_write(t, t->mmio + 0x30, 4, 0x10000); /* no number of 16 bits */
                assert_int_equal(reg_read(t, REG_QUEUE_SIZE), 0);
        }
}

static void queue_select_out_of_range_selects_nothing(void **state)
{
        with_both(no_such_queue);
}

static void wrong_size(struct scene *s, struct machine *t)
{
        assert_int_equal(guest_negotiate(t, SPLIT_FEATURES), BEFORE_START);
        reg_write(t, REG_QUEUE_SELECT, 0);
        reg_write(t, REG_QUEUE_SIZE, 24);
        reg_write(t, REG_QUEUE_ENABLE, 1);
        assert_int_equal(reg_read(t, REG_QUEUE_ENABLE), 0);
        reg_write(t, REG_QUEUE_SIZE, 32);
        reg_write(t, REG_QUEUE_SIZE, 0);
        reg_write(t, REG_QUEUE_SIZE, 65);
        reg_write(t, REG_QUEUE_SIZE, 0xffff);
        if (!t->mmio)
                assert_int_equal(reg_read(t, REG_QUEUE_SIZE), 32);
        for (enum reg reg = REG_QUEUE_DESCRIPTORS; reg <= REG_QUEUE_DEVICE; reg++) {
                reg_write(t, reg, 1);
                reg_write(t, REG_QUEUE_ENABLE, 1);
                assert_int_equal(reg_read(t, REG_QUEUE_ENABLE), 0);
                reg_write(t, reg, 0);
        }
}

static void size_and_alignment_that_cannot_be_are_refused(void **state)
{
        with_both(wrong_size);
}

static void ring_at(struct machine *t, uint64_t descriptors, uint64_t driver, uint64_t device)
{
        assert_int_equal(guest_negotiate(t, SPLIT_FEATURES), BEFORE_START);
        guest_setup_queue(t, 0, 64);
        reg_write(t, REG_QUEUE_SELECT, 1);
        reg_write(t, REG_QUEUE_DESCRIPTORS, descriptors);
        reg_write(t, REG_QUEUE_DRIVER, driver);
        reg_write(t, REG_QUEUE_DEVICE, device);
        reg_write(t, REG_QUEUE_ENABLE, 1);
        assert_int_equal(reg_read(t, REG_QUEUE_ENABLE), 1);
        reg_write(t, REG_STATUS, RUNNING);
}

static void ring_elsewhere(struct scene *s, struct machine *t)
{
        gpa_t ram = layout.ram[0].start + (1 << 20), end = layout.ram[0].start + (4 << 20);
        const uint64_t places[] = { end - 16, end, layout.pci_window, layout.ecam, layout.mmio_slots, UINT64_MAX - 15,
                                    UINT64_C(1) << 63, ~UINT64_C(0xfff) };

        for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
                for (unsigned part = 0; part < 3; part++) {
                        t->next_free = ram;
                        ring_at(t, part == 0 ? places[i] : ram + 65536, part == 1 ? places[i] : ram + 65536,
                                part == 2 ? places[i] : ram + 65536);
                        machine_wait(t, needs_reset);
                }
        }
        t->next_free = ram;
}

static void ring_outside_of_the_memory_needs_a_reset(void **state)
{
        with_both(ring_elsewhere);
}

static void same_ring_twice(struct scene *s, struct machine *t)
{
        uint32_t len;
        void *cookie;

        assert_int_equal(guest_negotiate(t, SPLIT_FEATURES | FEATURE(ECHO_FEATURE)), BEFORE_START);
        guest_setup_queue(t, 0, 64);
        ring_at(t, t->queues[0].descriptors, t->queues[0].descriptors, t->queues[0].descriptors);
        for (uint16_t i = 0; i < 2; i++)
                if (guest_kick_fd(t, i) >= 0)
                        fd_event_signal(guest_kick_fd(t, i));
        t->queues[0].call_fd = t->queues[0].kick_fd = guest_kick_fd(t, 0);
        guest_ask(t, 0, t->queues[0].descriptors, "a buffer that is the ring");
        (void) guest_answered(t, 0, 50, &cookie, &len);
}

static void kick_elsewhere(struct scene *s, struct machine *t)
{
        for (int i = 0; i < 2; i++) {
                if (t->mmio) {
                        guest_write(t, t->mmio + 0x50, 4, 2);
                        guest_write(t, t->mmio + 0x50, 4, UINT32_MAX);
                        guest_write(t, t->mmio + 0x50, 4, 0x10000);
                        guest_write(t, t->mmio + 0x50, 2, 0);
                } else {
                        for (unsigned at = 8; at < 0x1000; at += 64)
                                guest_write(t, t->notify + at, 2, 0);
                        guest_write(t, t->notify + 0xffe, 4, 0);
                }
                guest_write(t, t->mmio ? t->mmio + 0x50 : t->notify, 4, 0); /* not running, then running */
                guest_start(t, SPLIT_FEATURES, 2, 64);
        }
        guest_write(t, t->mmio ? t->mmio + 0x50 : t->notify, 4, 0);
        assert_true(reg_read(t, REG_STATUS) == RUNNING);
}

static void kick_of_a_queue_that_is_not_there_changes_nothing(void **state)
{
        with_both(kick_elsewhere);
}

/* Every register, and what lies between, in every width and place, with values that mean something somewhere. */
static void write_all_over(struct scene *s, struct machine *t)
{
        static const uint64_t values[] = { 0, 1, 2, 0xf, UINT64_MAX, 0x8000000000000001 };
        gpa_t from = t->mmio ? t->mmio : guest_read(t, t->config_space + 16, 4);
        uint64_t n = t->mmio ? 0x1000 : 0x8000;

        guest_start(t, SPLIT_FEATURES, 2, 64);
        for (uint64_t at = 0; at < n; at += at < 0x200 ? 1 : 61) {
                for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                        for (unsigned width = 1; width <= 8; width += width < 4 ? 1 : 4) {
                                guest_write(t, from + at, width, values[i]);
                                (void) guest_read(t, from + at, width);
                        }
                }
                assert_int_equal(loop_step(t->m.loop, 0), 0);
        }
        if (t->mmio)
                return;
        for (unsigned at = 0; at < 256; at++)
                for (size_t i = 0; i < ARRAY_SIZE(values); i++)
                        for (unsigned width = 1; width <= 8; width *= 2) {
                                guest_write(t, t->config_space + at, width, values[i]);
                                (void) guest_read(t, t->config_space + at, width);
                        }
        guest_write(t, t->config_space + 16, 4, from);
        guest_write(t, t->config_space + 4, 2, 6);
}

static void writes_of_any_width_to_any_place_do_no_harm(void **state)
{
        with_both(write_all_over);
}

static void ring_on_itself_and_another(void **state)
{
        with_both(same_ring_twice);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(device_begins_as_the_specification_says),
                cmocka_unit_test(features_without_version_1_are_refused),
                cmocka_unit_test(features_that_were_not_offered_are_refused),
                cmocka_unit_test(features_do_not_change_once_they_are_accepted),
                cmocka_unit_test(driver_ok_without_features_ok_is_refused),
                cmocka_unit_test(status_is_cleared_by_a_reset_alone),
                cmocka_unit_test(enabled_queue_does_not_change_and_none_is_enabled_late),
                cmocka_unit_test(queue_select_out_of_range_selects_nothing),
                cmocka_unit_test(size_and_alignment_that_cannot_be_are_refused),
                cmocka_unit_test(ring_outside_of_the_memory_needs_a_reset),
                cmocka_unit_test(ring_on_itself_and_another),
                cmocka_unit_test(kick_of_a_queue_that_is_not_there_changes_nothing),
                cmocka_unit_test(writes_of_any_width_to_any_place_do_no_harm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
