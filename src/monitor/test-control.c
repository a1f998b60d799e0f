/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/macros.h"
#include "monitor/life.h"

struct rig {
        struct monitor monitor;
        struct control *control;
        int peer;
};

static int power_down_result;
static unsigned n_power_downs;

/* Instead of life.c. */
void life_resume(struct monitor *m) { m->running = true; }
void life_pause(struct monitor *m) { m->running = false; }

int life_power_down(struct monitor *m)
{
        n_power_downs++;
        return power_down_result;
}

static void begin(struct rig *rig)
{
        int fds[2];

        *rig = (struct rig){ 0 };
        power_down_result = 0;
        n_power_downs = 0;
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        rig->peer = fds[1];
        assert_int_equal(loop_new(&rig->monitor.loop), 0);
        assert_int_equal(control_new(&rig->monitor, fds[0], &rig->control), 0);
}

static void end(struct rig *rig)
{
        rig->control = control_free(rig->control);
        rig->monitor.loop = loop_free(rig->monitor.loop);
        closep(&rig->peer);
}

/* The answer to a packet; "" if there is none. */
static const char *ask(struct rig *rig, const void *packet, size_t n)
{
        static char answer[CONTROL_PACKET_MAX];
        ssize_t got;

        assert_int_equal(send(rig->peer, packet, n, 0), n);
        assert_int_equal(loop_step(rig->monitor.loop, 0), 0);
        got = recv(rig->peer, answer, sizeof(answer) - 1, MSG_DONTWAIT);
        answer[got > 0 ? got : 0] = '\0';
        return answer;
}

#define ASK(rig, text) ask((rig), (text), strlen(text))

static void requests_are_done_and_answered(void **state)
{
        struct rig rig;

        begin(&rig);
        assert_string_equal(ASK(&rig, "{\"do\": \"resume\"}"), "{\"event\":\"running\"}");
        assert_true(rig.monitor.running);
        assert_string_equal(ASK(&rig, "{\"do\": \"pause\"}"), "{\"event\":\"paused\"}");
        assert_false(rig.monitor.running);
        assert_string_equal(ASK(&rig, "{\"do\": \"power-down\"}"), "");
        assert_int_equal(n_power_downs, 1);
        power_down_result = -ENOTSUP;
        assert_non_null(strstr(ASK(&rig, "{\"do\": \"power-down\"}"), "no driver"));
        power_down_result = -EAGAIN;
        assert_non_null(strstr(ASK(&rig, "{\"do\": \"power-down\"}"), "paused"));
        assert_false(monitor_is_over(&rig.monitor));
        end(&rig);
}

static void stop_and_reset_end_the_machine(void **state)
{
        struct rig rig;

        begin(&rig);
        (void) ASK(&rig, "{\"do\": \"stop\"}");
        assert_true(monitor_is_over(&rig.monitor));
        assert_int_equal(rig.monitor.end.how, MONITOR_STOPPED);
        /* The first end counts. */
        (void) ASK(&rig, "{\"do\": \"reset\"}");
        assert_int_equal(rig.monitor.end.how, MONITOR_STOPPED);
        end(&rig);

        begin(&rig);
        (void) ASK(&rig, "{\"do\": \"reset\"}");
        assert_int_equal(rig.monitor.end.how, MONITOR_RESET);
        end(&rig);
}

static void what_is_no_request_is_an_error_and_changes_nothing(void **state)
{
        static const char *const packets[] = {
                "",
                " ",
                "{",
                "[]",
                "null",
                "\"stop\"",
                "{}",
                "{\"do\": null}",
                "{\"do\": 1}",
                "{\"do\": \"\"}",
                "{\"do\": \"STOP\"}",
                "{\"do\": \"stop\", \"now\": true}",
                "{\"do\": \"pause\", \"do\": \"stop\"}",
                "{\"do\": \"stop\"} {}",
                "{\"do\": \"stop\\u0000\"}",
                "{\"do\": \"\xff\"}",
        };
        struct rig rig;

        begin(&rig);
        for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
                if (!strstr(ASK(&rig, packets[i]), "\"event\":\"error\""))
                        fail_msg("no error for '%s'", packets[i]);
                assert_false(monitor_is_over(&rig.monitor));
        }
        end(&rig);
}

static void oversized_packet_is_an_error(void **state)
{
        char packet[CONTROL_PACKET_MAX + 1];
        struct rig rig;

        begin(&rig);
        memset(packet, ' ', sizeof(packet));
        memcpy(packet, "{\"do\": \"stop\"}", 14);
        assert_non_null(strstr(ask(&rig, packet, sizeof(packet)), "\"event\":\"error\""));
        assert_false(monitor_is_over(&rig.monitor));
        (void) ask(&rig, packet, sizeof(packet) - 1);
        assert_true(monitor_is_over(&rig.monitor));
        end(&rig);
}

static void closed_socket_stops_the_machine(void **state)
{
        struct rig rig;

        begin(&rig);
        fd_close(&rig.peer);
        assert_int_equal(loop_step(rig.monitor.loop, 0), 0);
        assert_true(monitor_is_over(&rig.monitor));
        assert_int_equal(rig.monitor.end.how, MONITOR_STOPPED);
        end(&rig);
}

static void peer_that_never_reads_holds_up_nobody(void **state)
{
        struct rig rig;

        begin(&rig);
        for (int i = 0; i < 10000; i++)
                control_send_event(rig.control, "ready");
        assert_false(monitor_is_over(&rig.monitor));
        end(&rig);
}

static void end_is_told_with_its_reason(void **state)
{
        char answer[CONTROL_PACKET_MAX] = "";
        struct rig rig;

        begin(&rig);
        control_send_ended(rig.control, MONITOR_CRASHED, "vCPU 0: \"triple\" fault");
        assert_true(recv(rig.peer, answer, sizeof(answer) - 1, 0) > 0);
        assert_string_equal(answer,
                            "{\"event\":\"ended\",\"how\":\"crashed\",\"text\":\"vCPU 0: \\\"triple\\\" fault\"}");
        memset(answer, 0, sizeof(answer));
        control_send_ended(rig.control, MONITOR_POWERED_OFF, NULL);
        assert_true(recv(rig.peer, answer, sizeof(answer) - 1, 0) > 0);
        assert_string_equal(answer, "{\"event\":\"ended\",\"how\":\"powered-off\"}");
        end(&rig);
        control_send_ended(NULL, MONITOR_FAILED, "nobody listens");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(requests_are_done_and_answered),
                cmocka_unit_test(stop_and_reset_end_the_machine),
                cmocka_unit_test(what_is_no_request_is_an_error_and_changes_nothing),
                cmocka_unit_test(oversized_packet_is_an_error),
                cmocka_unit_test(closed_socket_stops_the_machine),
                cmocka_unit_test(peer_that_never_reads_holds_up_nobody),
                cmocka_unit_test(end_is_told_with_its_reason),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
