/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend/user-forward.h"
#include "base/macros.h"

static void reads_full_form(void **state)
{
        struct user_forward f;

        assert_int_equal(user_forward_parse("udp:192.0.2.7:53-10.0.2.20:5353", &f), 0);
        assert_true(f.udp);
        assert_int_equal(f.host_address, 0xc0000207);
        assert_int_equal(f.host_port, 53);
        assert_int_equal(f.guest_address, 0x0a000214);
        assert_int_equal(f.guest_port, 5353);
}

static void absent_addresses_are_loopback_and_the_first_guest(void **state)
{
        struct user_forward f;

        assert_int_equal(user_forward_parse("tcp::8080-:80", &f), 0);
        assert_false(f.udp);
        assert_int_equal(f.host_address, 0x7f000001);
        assert_int_equal(f.guest_address, 0x0a00020f);
}

static void refuses_everything_else(void **state)
{
        static const char *const bad[] = { "", "tcp", "tcp:", "sctp::1-:2", "tcp::1", "tcp::1-", "tcp::1-2", "tcp:1-:2",
                                           "tcp::0-:2", "tcp::1-:65536", "tcp::99999999999-:1", "tcp:300.1.1.1:1-:2",
                                           "tcp::1-:2x", "tcp:host:1-:2", "tcp::-1-:2",
                                           "tcp:1.2.3.4.5.6.7.8.9.10.11.12:1-:2", "tcp::1-1.2.3:2" };
        struct user_forward f;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(user_forward_parse(bad[i], &f), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_full_form),
                cmocka_unit_test(absent_addresses_are_loopback_and_the_first_guest),
                cmocka_unit_test(refuses_everything_else),
        };

        return cmocka_run_group_tests_name("user-forward", tests, NULL, NULL);
}
