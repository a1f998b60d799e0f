/* SPDX-License-Identifier: MPL-2.0 */
/*
 * libslirp is loaded when the first user-mode network is made, not with the program: with what it brings along
 * (GLib) it would add 1.3 MiB to every device server, most of which have no use for it.
 */
#pragma once

/* Before any slirp_ function is called, and while libraries may still be opened. Return: 0; -ELIBACC: not installed. */
int slirp_load(void);
