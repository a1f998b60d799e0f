/* SPDX-License-Identifier: MPL-2.0 */
/* Devices of a machine under a guest's driver: I/O over both transports, both ring formats;
   servers that go and come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "base/worker.h"
#include "monitor/layout.h"
#include "monitor/test-machine.h"
#include "vhost/test-server.h"

struct format {
        enum monitor_transport transport;
        uint64_t features;
};

static const struct format formats[] = {
        { MONITOR_PCI, SPLIT_FEATURES },
        { MONITOR_PCI, PACKED_FEATURES },
        { MONITOR_MMIO, SPLIT_FEATURES },
        { MONITOR_MMIO, PACKED_FEATURES },
};

static bool is_packed(const struct format *f)
{
        return f->features & FEATURE(VIRTIO_FEATURE_RING_PACKED);
}

struct scene {
        struct machine machine;
        struct test_server server;
        struct worker *worker;
};

static struct machine *begin(struct scene *s, const struct format *f, bool threaded)
{
        assert_int_equal(worker_new("server", &s->worker), 0);
        test_server_start(&s->server, worker_loop(s->worker), "devices", 2);
        machine_start(&s->machine, s->server.path, f->transport, is_packed(f), threaded);
        return &s->machine;
}

static void end(struct scene *s)
{
        machine_stop(&s->machine);
        test_server_stop(&s->server);
        s->worker = worker_free(s->worker);
}

static void with_all_formats(void (*body)(struct scene *s, struct machine *t, const struct format *f), bool threaded)
{
        for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
                static struct scene s;
                struct machine *t = begin(&s, &formats[i], threaded);

                body(&s, t, &formats[i]);
                end(&s);
        }
}

static void echo(struct scene *s, struct machine *t, const struct format *f)
{
        guest_start(t, f->features, 2, 64);
        assert_int_equal(!!(t->features & FEATURE(VIRTIO_FEATURE_RING_PACKED)), is_packed(f));
        for (int i = 0; i < 300; i++)
                guest_echo(t, i % 2, "over and out");
}

static void rings_carry_requests(void **state)
{
        with_all_formats(echo, false);
}

static void start_twice(struct scene *s, struct machine *t, const struct format *f)
{
        for (int i = 0; i < 3; i++) {
                guest_start(t, f->features, 2, i == 1 ? 16 : 64);
                guest_echo(t, 0, "hello");
                guest_echo(t, 1, "again");
                reg_write(t, REG_STATUS, 0);
                assert_int_equal(reg_read(t, REG_STATUS), 0);
                assert_int_equal(guest_kick_fd(t, 0), -1);
                assert_false(test_server_queue_started(&s->server));
        }
}

static void reset_ends_all_and_the_device_starts_again(void **state)
{
        with_all_formats(start_twice, false);
}

static void reset_with_requests_in_flight(struct scene *s, struct machine *t, const struct format *f)
{
        gpa_t at = guest_alloc(t, 4096);

        guest_start(t, f->features, 2, 64);
        guest_ask(t, 0, at, "Hold");
        guest_echo(t, 0, "past it");
        reg_write(t, REG_STATUS, 0);
        assert_false(test_server_queue_started(&s->server));
        guest_start(t, f->features, 2, 64);
        guest_echo(t, 0, "hello");
}

static void reset_forgets_requests_in_flight(void **state)
{
        with_all_formats(reset_with_requests_in_flight, false);
}

static void reset_one_queue(struct scene *s, struct machine *t, const struct format *f)
{
        guest_start(t, f->features, 2, 64);
        for (int i = 0; i < 100; i++)
                guest_echo(t, 0, "before");
        guest_echo(t, 1, "other");
        reg_write(t, REG_QUEUE_SELECT, 0);
        reg_write(t, REG_QUEUE_RESET, 1);
        assert_int_equal(reg_read(t, REG_QUEUE_RESET), 0);
        assert_int_equal(reg_read(t, REG_QUEUE_ENABLE), 0);
        assert_int_equal(guest_kick_fd(t, 0), -1);
        assert_false(test_server_queue_started(&s->server));
        guest_echo(t, 1, "not disturbed");
        guest_setup_queue(t, 0, 32);
        guest_find_fds(t, 2);
        for (int i = 0; i < 100; i++)
                guest_echo(t, 0, "after");
        guest_echo(t, 1, "other");
}

static void one_queue_is_reset_and_started_again(void **state)
{
        with_all_formats(reset_one_queue, false);
}

static void pause_and_resume(struct scene *s, struct machine *t, const struct format *f)
{
        gpa_t at = guest_alloc(t, 4096);

        guest_start(t, f->features, 2, 64);
        guest_echo(t, 0, "before");
        pthread_mutex_lock(&t->m.lock);
        devices_pause(t->m.devices);
        pthread_mutex_unlock(&t->m.lock);
        assert_false(test_server_queue_started(&s->server));
        guest_ask(t, 0, at, "asked meanwhile");
        pthread_mutex_lock(&t->m.lock);
        devices_resume(t->m.devices);
        pthread_mutex_unlock(&t->m.lock);
        guest_expect(t, 0, "asked meanwhile");
        for (int i = 0; i < 100; i++)
                guest_echo(t, i % 2, "after");
}

static void nothing_runs_while_the_machine_is_paused(void **state)
{
        with_all_formats(pause_and_resume, false);
}

static void lose_connection(struct scene *s, struct machine *t, const struct format *f)
{
        guest_start(t, f->features, 2, 64);
        for (int i = 0; i < 5; i++) {
                gpa_t at = guest_alloc(t, 4096);

                guest_echo(t, 0, "before");
                test_server_disconnect(&s->server);
                guest_ask(t, 0, at, "into the void");
                guest_expect(t, 0, "into the void");
                guest_echo(t, 1, "other");
        }
        assert_false(reg_read(t, REG_STATUS) & VIRTIO_STATUS_NEEDS_RESET);
}

static void server_that_comes_back_goes_on(void **state)
{
        with_all_formats(lose_connection, false);
}

static void server_that_comes_back_goes_on_while_the_loop_is_another_threads(void **state)
{
        with_all_formats(lose_connection, true);
}

static void reset_while_gone(struct scene *s, struct machine *t, const struct format *f)
{
        guest_start(t, f->features, 2, 64);
        guest_echo(t, 0, "before");
        for (int i = 0; i < 5; i++) {
                test_server_disconnect(&s->server);
                guest_start(t, f->features, 2, 64);
                guest_echo(t, 1, "after");
                guest_start(t, f->features, 2, 64);
                t->next_free = layout.ram[0].start + (1 << 20);
        }
        guest_echo(t, 0, "after");
}

static void driver_may_reset_while_the_server_is_gone(void **state)
{
        with_all_formats(reset_while_gone, false);
        with_all_formats(reset_while_gone, true);
}

static void pause_while_gone(struct scene *s, struct machine *t, const struct format *f)
{
        guest_start(t, f->features, 2, 64);
        for (int i = 0; i < 10; i++) {
                guest_echo(t, 0, "before");
                devices_pause(t->m.devices);
                test_server_disconnect(&s->server);
                for (int j = 0; j < i; j++) /* it may come back before or after */
                        assert_int_equal(loop_step(t->m.loop, 1), 0);
                devices_resume(t->m.devices);
                guest_echo(t, 0, "after");
        }
}

static void server_may_go_while_the_machine_is_paused(void **state)
{
        with_all_formats(pause_while_gone, false);
}

static void change_config(struct scene *s, struct machine *t, const struct format *f)
{
        uint64_t generation;

        guest_start(t, f->features, 2, 64);
        generation = reg_read(t, REG_GENERATION);
        assert_int_equal(guest_read(t, t->device_config + 8, 4), 0x4f484345); /* ECHO */
        assert_int_equal(guest_read(t, t->device_config + 4, 4), 0);
        guest_echo(t, 0, "Change");
        while (reg_read(t, REG_GENERATION) == generation)
                (void) loop_step(t->m.loop, 1);
        assert_int_equal(guest_read(t, t->device_config + 4, 4), 1);
        if (t->mmio) {
                assert_int_equal(guest_read(t, t->mmio + 0x60, 4), 3);
                guest_write(t, t->mmio + 0x64, 4, 3);
                assert_int_equal(guest_read(t, t->mmio + 0x60, 4), 1);
        } else {
                assert_true(fd_event_take(guest_message_fd(t, 0)) > 0);
        }
        guest_write(t, t->device_config, 4, 0x12345678);
        assert_int_equal(guest_read(t, t->device_config, 4), 0x12345678);
        guest_write(t, t->device_config + 8, 4, 0);
        assert_int_equal(guest_read(t, t->device_config + 8, 4), 0x4f484345);
        guest_write(t, t->device_config + 254, 4, 0);
        assert_int_equal(guest_read(t, t->device_config + 254, 4), 0);
        guest_echo(t, 0, "still there");
}

static void config_space_is_read_and_written_and_its_change_told(void **state)
{
        with_all_formats(change_config, false);
}

static bool needs_reset(struct machine *t)
{
        return reg_read(t, REG_STATUS) & VIRTIO_STATUS_NEEDS_RESET;
}

static void break_ring(struct scene *s, struct machine *t, const struct format *f)
{
        guest_start(t, f->features, 2, 64);
        guest_ask(t, 0, guest_alloc(t, 4096), "Break");
        machine_wait(t, needs_reset);
        if (!t->mmio)
                assert_true(fd_event_take(guest_message_fd(t, 0)) > 0);
        guest_echo(t, 1, "other");
        guest_start(t, f->features, 2, 64);
        guest_echo(t, 0, "revived");
        assert_false(needs_reset(t));
}

static void queue_that_breaks_is_told_and_a_reset_revives(void **state)
{
        with_all_formats(break_ring, false);
}

/* Two CPUs at the registers of one device: reads, kicks, writes to the configuration space, now and then a start. */
static void *hammer(void *data)
{
        struct machine *t = data;
        gpa_t start = t->mmio ? t->mmio : t->common;
        uint32_t n = 1;

        for (int i = 0; i < 3000; i++) {
                n = n * 1664525 + 1013904223;
                switch (n >> 24 & 15) {
                case 0:
                        reg_write(t, REG_STATUS, 0);
                        break;
                case 1:
                        reg_write(t, REG_STATUS, 15);
                        break;
                case 2:
                        reg_write(t, REG_QUEUE_ENABLE, 1);
                        break;
                case 3:
                        reg_write(t, REG_QUEUE_RESET, 1);
                        break;
                case 4:
                        guest_write(t, t->device_config, 4, n);
                        break;
                case 5:
                        guest_write(t, t->mmio ? t->mmio + 0x50 : t->notify, 4, 0);
                        break;
                default:
                        (void) guest_read(t, start + (n >> 8 & 0xfc), 4);
                }
        }
        return NULL;
}

static void hammer_from_two(struct scene *s, struct machine *t, const struct format *f)
{
        pthread_t cpus[2];

        guest_start(t, f->features, 2, 64);
        for (size_t i = 0; i < ARRAY_SIZE(cpus); i++)
                assert_int_equal(pthread_create(&cpus[i], NULL, hammer, t), 0);
        for (int i = 0; i < 5; i++)
                test_server_disconnect(&s->server);
        for (size_t i = 0; i < ARRAY_SIZE(cpus); i++)
                assert_int_equal(pthread_join(cpus[i], NULL), 0);
        guest_start(t, f->features, 2, 64);
        guest_echo(t, 0, "alive");
}

static void cpus_and_loop_share_a_device(void **state)
{
        with_all_formats(hammer_from_two, true);
}

/* Servers that die by SIGKILL, with requests in flight. */

#define N_HELD 10

static void kill_server(const struct format *f)
{
        static struct machine machine;
        struct machine *t = &machine;
        struct test_server s;
        gpa_t at[2 * N_HELD];
        pid_t pid;

        pid = test_server_fork(&s, "killed", 1);
        machine_start(t, s.path, f->transport, is_packed(f), false);
        guest_start(t, f->features, 1, 64);
        for (int i = 0; i < 2 * N_HELD; i++) {
                at[i] = guest_alloc(t, 4096);
                guest_ask(t, 0, at[i], i % 2 ? "answer" : "Hold");
        }
        for (int i = 0; i < N_HELD; i++)
                guest_expect(t, 0, "answer");
        test_server_kill(pid);
        for (int i = 0; i < 2 * N_HELD; i += 2)
                strcpy(guest_pointer(t, at[i]), "late");
        pid = test_server_fork(&s, "killed", 1);
        for (int i = 0; i < N_HELD; i++)
                guest_expect(t, 0, "late");
        guest_echo(t, 0, "new");
        assert_false(needs_reset(t));
        machine_stop(t);
        test_server_kill(pid);
        assert_int_equal(unlink(s.path), 0);
}

static void killed_servers_successor_answers_what_was_in_flight(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
                kill_server(&formats[i]);
}

static void missing_server_is_an_error_that_names_device_and_socket(void **state)
{
        struct monitor_device device = { .id = "disk", .virtio_id = 2, .socket_path = "/nowhere/at/all" };
        struct monitor_spec spec = { .devices = &device, .n_devices = 1 };
        struct monitor m = { .spec = &spec };
        char *error = NULL;

        assert_int_equal(devices_new(&m, &m.devices), 0);
        assert_int_equal(devices_attach(m.devices, &error), -ENOENT);
        assert_non_null(strstr(error, "disk"));
        assert_non_null(strstr(error, "/nowhere/at/all"));
        free(error);
        m.devices = devices_free(m.devices);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(missing_server_is_an_error_that_names_device_and_socket),
                cmocka_unit_test(rings_carry_requests),
                cmocka_unit_test(reset_ends_all_and_the_device_starts_again),
                cmocka_unit_test(reset_forgets_requests_in_flight),
                cmocka_unit_test(one_queue_is_reset_and_started_again),
                cmocka_unit_test(nothing_runs_while_the_machine_is_paused),
                cmocka_unit_test(config_space_is_read_and_written_and_its_change_told),
                cmocka_unit_test(queue_that_breaks_is_told_and_a_reset_revives),
                cmocka_unit_test(server_that_comes_back_goes_on),
                cmocka_unit_test(server_that_comes_back_goes_on_while_the_loop_is_another_threads),
                cmocka_unit_test(server_may_go_while_the_machine_is_paused),
                cmocka_unit_test(driver_may_reset_while_the_server_is_gone),
                cmocka_unit_test(cpus_and_loop_share_a_device),
                cmocka_unit_test(killed_servers_successor_answers_what_was_in_flight),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
