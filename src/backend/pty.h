/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A console as a pseudo-terminal, found by a symlink. While nobody reads it, the last PTY_BUFFER bytes are kept and
 * older ones are dropped. The size of the terminal (stty, or a terminal program that sets it) is told to the owner
 * when something is typed.
 */
#pragma once

struct loop;
struct stream;

#define PTY_BUFFER (64U << 10)

/**
 * pty_open() - make a terminal
 * @link_path: symlink to it; one that is there is replaced, anything else is an error
 *
 * The symlink is removed when the stream is freed, where that is allowed.
 *
 * Return: 0; -EEXIST; a negative errno.
 */
int pty_open(struct loop *loop, const char *link_path, struct stream **ret);
