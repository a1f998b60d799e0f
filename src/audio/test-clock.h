/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Simulated time for tests of the mixing thread, which runs as it always does but for two functions that the linker
 * replaces (test_clock_dep): clock_now_ns() tells the test's time, and clock_nanosleep() ends when the test says so.
 *
 *      test                                    mixing thread
 *      test_clock_wait_sleeper() ◄──────────── sleeps until a deadline
 *      guests work, test_clock_set() moves on
 *      test_clock_wake() ────────────────────► mixes a period, sleeps again
 *
 * One of the two works at a time, so that a run is the same each time, and as fast as the machine can.
 */
#pragma once

#include <stdint.h>

/* Before the thread is started. */
void test_clock_init(uint64_t now_ns);
void test_clock_deinit(void);

uint64_t test_clock_now_ns(void);
void test_clock_set(uint64_t now_ns);

/* Waits until the mixing thread sleeps. Return: until when it wants to. */
uint64_t test_clock_wait_sleeper(void);
/* Ends that sleep; what time it is then was set before. */
void test_clock_wake(void);
