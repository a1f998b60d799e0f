/* SPDX-License-Identifier: MPL-2.0 */
/* Errors with a sentence: for what a user can do something about. */
#pragma once

/**
 * fail() - an error and its sentence
 * @error:     a negative errno
 * @ret_error: the sentence, owned by the caller (free()); NULL if out of memory
 *
 * Return: @error.
 */
int fail(int error, char **ret_error, const char *format, ...) __attribute__((format(printf, 3, 4)));
