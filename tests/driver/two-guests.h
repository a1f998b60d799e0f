/* SPDX-License-Identifier: MPL-2.0 */
/*
 * For cmocka tests of a server with up to two guests: its harness, and a driver for each guest, new for each case.
 * Include it once a program.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness.h"
#include "vhost/driver.h"

static struct harness harness;
static struct vhost_driver alpha, beta;

static int setup(void **state)
{
        alpha = beta = (struct vhost_driver) { .memory_fd = -1, .inflight.fd = -1 };
        return harness_init(&harness);
}

static int teardown(void **state)
{
        vhost_driver_stop(&alpha);
        vhost_driver_stop(&beta);
        harness_deinit(&harness);
        return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
