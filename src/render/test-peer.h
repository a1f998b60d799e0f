/* SPDX-License-Identifier: MPL-2.0 */
/*
 * In the place of busbar-render: a thread that plays host and render processes, and answers by a script, not by what it
 * was asked. For tests of the display server's side. One a process.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct render_host;

/* Return: its host; free it to end the thread. */
struct render_host *test_peer_start(void);

/*
 * What it does from now on, a byte a request; when they are used up it obeys. Low three bits:
 *
 *      0  obeys                                       4  answers with a size of which not all follows, then closes
 *      1  refuses, for a reason of the next bits      5  answers part of a reply's head, then closes
 *      2  closes                                      6  obeys twice
 *      3  answers with a type from the next bytes     7  answers as it obeys, with a payload of as many bytes as
 *                                                        the next says
 *
 * Longer ones are cut.
 */
#define TEST_PEER_SCRIPT_MAX 256
void test_peer_script(const uint8_t *script, size_t n);
