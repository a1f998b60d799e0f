/* SPDX-License-Identifier: MPL-2.0 */
/* Where a value is in a JSON text: jansson does not keep positions, so a text is walked again once it has an error. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/**
 * json_locate_line() - line of a value
 * @text:  valid JSON, terminated by a zero byte
 * @steps: from the root, the position of each member or element in its container
 *
 * Return: the line, from 1, of the value's key or, for an array's element, of its start.
 */
unsigned json_locate_line(const char *text, const size_t *steps, size_t n_steps);

/* True if arrays and objects nest deeper than @max; any text, also an invalid one. */
bool json_nests_deeper(const char *text, size_t n, unsigned max, unsigned *ret_line);
