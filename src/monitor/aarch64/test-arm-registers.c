/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"
#include "monitor/aarch64/gic-map.h"
#include "monitor/aarch64/primecell.h"
#include "monitor/test-vm.h"

#define AT 0x9000000
#define LINE 5
#define HZ 1000000 /* of the watchdog's counter */

struct fixture {
        struct monitor m;
};

/* The watchdog's counter is whatever a test says. */
static uint64_t counter;

static int set_up(void **state)
{
        static struct fixture f;

        f = (struct fixture){ 0 };
        *state = &f;
        counter = 0;
        return vm_new(&f.m.vm) < 0 || loop_new(&f.m.loop) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        bus_deinit(&f->m.mmio);
        f->m.loop = loop_free(f->m.loop);
        f->m.vm = vm_free(f->m.vm);
        return 0;
}

static uint32_t get(struct fixture *f, uint64_t offset)
{
        uint32_t value = 0;

        assert_true(bus_read(&f->m.mmio, AT + offset, &value, sizeof(value)));
        return value;
}

static void put(struct fixture *f, uint64_t offset, uint32_t value)
{
        assert_true(bus_write(&f->m.mmio, AT + offset, &value, sizeof(value)));
}

static struct wire wire_of(const struct fixture *f)
{
        return (struct wire){ .vm = f->m.vm, .line = LINE };
}

static bool level(const struct fixture *f) { return test_vm(f->m.vm)->levels[LINE]; }

/* Every offset and width, whatever it does: a guest may. */
static void touch_everything(struct fixture *f, uint64_t size_bytes)
{
        uint8_t buf[8];

        for (uint64_t offset = 0; offset < size_bytes; offset++) {
                for (unsigned n = 1; n <= 8 && offset + n <= size_bytes; n++) {
                        memset(buf, 0xff, sizeof(buf));
                        assert_true(bus_read(&f->m.mmio, AT + offset, buf, n));
                        memset(buf, (int) offset * 31, sizeof(buf));
                        assert_true(bus_write(&f->m.mmio, AT + offset, buf, n));
                }
        }
}

static void expect_primecell(struct fixture *f, uint32_t part)
{
        uint32_t id = 0;

        for (unsigned i = 0; i < 4; i++)
                id |= get(f, 0xfe0 + 4 * i) << (8 * i);
        assert_int_equal(id, part);
        assert_int_equal(get(f, 0xff0), 0x0d);
        assert_int_equal(get(f, 0xffc), 0xb1);
}

static void serial_writes_text_and_says_that_it_is_ready(void **state)
{
        struct fixture *f = *state;
        struct pl011 p = { .wire = wire_of(f) };
        char text[8] = "";
        int pipe_fds[2];

        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        p.fd = pipe_fds[1];
        assert_int_equal(pl011_add(&p, &f->m.mmio, AT), 0);
        expect_primecell(f, 0x341011);
        assert_int_equal(get(f, 0x18), 0x90);
        put(f, 0, 'h');
        assert_false(level(f));
        put(f, 0x38, 0x20);
        assert_true(level(f));
        assert_int_equal(get(f, 0x40), 0x20);
        put(f, 0x44, 0x20);
        assert_false(level(f));
        put(f, 0, 'i');
        assert_true(level(f));
        assert_int_equal(read(pipe_fds[0], text, sizeof(text)), 2);
        assert_string_equal(text, "hi");
        (void) close(pipe_fds[0]);
        (void) close(pipe_fds[1]);
}

static void serial_does_not_wait_for_a_reader(void **state)
{
        struct fixture *f = *state;
        struct pl011 p = { .wire = wire_of(f) };
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        p.fd = fds[1];
        assert_int_equal(pl011_add(&p, &f->m.mmio, AT), 0);
        for (int i = 0; i < 100000; i++)
                put(f, 0, 'x');
        (void) close(fds[0]);
        (void) close(fds[1]);
}

static void clock_tells_the_time_and_can_be_set(void **state)
{
        struct fixture *f = *state;
        struct pl031 p = { 0 };
        uint32_t now = (uint32_t) time(NULL);

        assert_int_equal(pl031_add(&p, &f->m.mmio, AT), 0);
        expect_primecell(f, 0x41031);
        assert_in_range(get(f, 0) - now, 0, 2);
        put(f, 8, 1000);
        assert_in_range(get(f, 0), 1000, 1002);
        assert_int_equal(get(f, 8), 1000);
}

static void power_key_is_an_edge_in_both_directions(void **state)
{
        struct fixture *f = *state;
        struct pl061 p = { .wire = wire_of(f) };
        const uint64_t key = 1 << POWER_KEY_PIN;

        assert_int_equal(pl061_add(&p, &f->m.mmio, AT, f->m.loop), 0);
        expect_primecell(f, 0x41061);
        assert_int_equal(pl061_press(&p), -ENOTSUP);
        put(f, 0x408, (uint32_t) key);
        put(f, 0x410, (uint32_t) key);
        assert_int_equal(pl061_press(&p), 0);
        assert_true(level(f));
        assert_int_equal(get(f, key << 2), key);
        assert_int_equal(get(f, 0x3fc & ~(key << 2)), 0);
        put(f, 0x41c, (uint32_t) key);
        assert_false(level(f));
        assert_int_equal(loop_step(f->m.loop, 5000), 0);
        assert_true(level(f));
        assert_int_equal(get(f, key << 2), 0);
        pl061_deinit(&p);
}

static void message_frame_names_its_lines(void **state)
{
        struct fixture *f = *state;
        uint32_t type = 0;
        unsigned line = 0;

        assert_int_equal(v2m_add(&f->m.mmio), 0);
        assert_true(bus_read(&f->m.mmio, GIC_V2M + 8, &type, 4));
        assert_int_equal(type, (32 + GIC_V2M_LINE) << 16 | GIC_V2M_LINES);
        assert_true(v2m_line(GIC_V2M + 0x40, 32 + GIC_V2M_LINE + 3, &line));
        assert_int_equal(line, GIC_V2M_LINE + 3);
        assert_false(v2m_line(GIC_V2M + 0x40, 32 + GIC_V2M_LINE - 1, &line));
        assert_false(v2m_line(GIC_V2M + 0x40, 32 + GIC_LINES, &line));
        assert_false(v2m_line(GIC_V2M + 0x44, 32 + GIC_V2M_LINE, &line));
}

static uint64_t test_counter(void) { return counter; }

static void start_watchdog(struct fixture *f, struct watchdog *w)
{
        *w = (struct watchdog){ .wire = wire_of(f), .count = test_counter, .frequency_hz = HZ };
        assert_int_equal(watchdog_add(w, &f->m, AT), 0);
}

static void watchdog_warns_once_and_then_bites(void **state)
{
        struct fixture *f = *state;
        struct watchdog w;

        start_watchdog(f, &w);
        assert_int_equal(get(f, 0xfcc) >> 16 & 0xf, 1);
        put(f, 8, HZ / 100);
        put(f, 0, 1);
        assert_int_equal(get(f, 0x10), HZ / 100);
        counter = HZ / 100;
        assert_int_equal(loop_step(f->m.loop, 5000), 0);
        assert_int_equal(get(f, 0), 3);
        assert_true(level(f));
        assert_false(monitor_is_over(&f->m));
        counter = 2 * HZ / 100;
        assert_int_equal(loop_step(f->m.loop, 5000), 0);
        assert_true(monitor_is_over(&f->m));
        assert_int_equal(f->m.end.how, MONITOR_WATCHDOG);
        assert_int_equal(get(f, 0), 7);
        watchdog_deinit(&w);
}

static void watchdog_tells_half_of_what_is_left(void **state)
{
        struct fixture *f = *state;
        struct watchdog w;

        start_watchdog(f, &w);
        put(f, 8, HZ / 100);
        put(f, 0, 1);
        assert_int_equal(get(f, WATCHDOG_LEFT), HZ / 100);
        counter = HZ / 200;
        assert_int_equal(get(f, WATCHDOG_LEFT), 3 * HZ / 400);
        watchdog_set_paused(&w, true);
        counter += HZ;
        assert_int_equal(get(f, WATCHDOG_LEFT), 3 * HZ / 400);
        watchdog_set_paused(&w, false);
        counter += HZ / 200;
        assert_int_equal(loop_step(f->m.loop, 5000), 0);
        assert_int_equal(get(f, WATCHDOG_LEFT), HZ / 200);
        counter += HZ;
        assert_int_equal(get(f, WATCHDOG_LEFT), 0);
        watchdog_deinit(&w);
}

static void watchdog_is_fed_by_the_refresh_page(void **state)
{
        struct fixture *f = *state;
        struct watchdog w;

        start_watchdog(f, &w);
        put(f, 8, HZ / 100);
        put(f, 0, 1);
        counter = HZ / 100;
        assert_int_equal(loop_step(f->m.loop, 5000), 0);
        put(f, 0x1000, 0);
        assert_int_equal(get(f, 0), 1);
        assert_false(level(f));
        assert_int_equal(get(f, 0x10), 2 * HZ / 100);
        put(f, 0, 0);
        assert_int_equal(loop_step(f->m.loop, 50), 0);
        assert_false(monitor_is_over(&f->m));
        watchdog_deinit(&w);
}

static void pause_takes_no_time_from_the_watchdog(void **state)
{
        struct fixture *f = *state;
        struct watchdog w;

        start_watchdog(f, &w);
        put(f, 8, HZ / 100);
        put(f, 0, 1);
        counter = HZ / 200;
        watchdog_set_paused(&w, true);
        counter = 100 * HZ;
        assert_int_equal(loop_step(f->m.loop, 50), 0);
        assert_int_equal(get(f, 0), 1);
        watchdog_set_paused(&w, false);
        assert_int_equal(get(f, 0x10), HZ / 100);
        counter += HZ / 200;
        assert_int_equal(loop_step(f->m.loop, 5000), 0);
        assert_int_equal(get(f, 0), 3);
        watchdog_deinit(&w);
}

/* A host whose firmware never set CNTFRQ_EL0. */
static void watchdog_lives_without_a_frequency(void **state)
{
        struct fixture *f = *state;
        struct watchdog w = { .count = test_counter };

        assert_int_equal(watchdog_add(&w, &f->m, AT), 0);
        put(f, 8, 1000000);
        put(f, 0, 1);
        assert_int_equal(get(f, 0), 1);
        watchdog_deinit(&w);
}

static void every_access_of_any_width_is_survived(void **state)
{
        struct fixture *f = *state;
        struct pl011 serial = { .wire = wire_of(f), .fd = -1 };
        struct pl031 clock = { 0 };
        struct pl061 power = { .wire = wire_of(f) };
        struct watchdog w;

        assert_int_equal(pl011_add(&serial, &f->m.mmio, AT), 0);
        touch_everything(f, 0x1000);
        bus_remove(&f->m.mmio, AT);
        assert_int_equal(pl031_add(&clock, &f->m.mmio, AT), 0);
        touch_everything(f, 0x1000);
        bus_remove(&f->m.mmio, AT);
        assert_int_equal(pl061_add(&power, &f->m.mmio, AT, f->m.loop), 0);
        touch_everything(f, 0x1000);
        pl061_deinit(&power);
        bus_remove(&f->m.mmio, AT);
        start_watchdog(f, &w);
        touch_everything(f, 0x2000);
        watchdog_deinit(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(serial_writes_text_and_says_that_it_is_ready, set_up, tear_down),
                cmocka_unit_test_setup_teardown(serial_does_not_wait_for_a_reader, set_up, tear_down),
                cmocka_unit_test_setup_teardown(clock_tells_the_time_and_can_be_set, set_up, tear_down),
                cmocka_unit_test_setup_teardown(power_key_is_an_edge_in_both_directions, set_up, tear_down),
                cmocka_unit_test_setup_teardown(message_frame_names_its_lines, set_up, tear_down),
                cmocka_unit_test_setup_teardown(watchdog_warns_once_and_then_bites, set_up, tear_down),
                cmocka_unit_test_setup_teardown(watchdog_tells_half_of_what_is_left, set_up, tear_down),
                cmocka_unit_test_setup_teardown(watchdog_is_fed_by_the_refresh_page, set_up, tear_down),
                cmocka_unit_test_setup_teardown(pause_takes_no_time_from_the_watchdog, set_up, tear_down),
                cmocka_unit_test_setup_teardown(watchdog_lives_without_a_frequency, set_up, tear_down),
                cmocka_unit_test_setup_teardown(every_access_of_any_width_is_survived, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
