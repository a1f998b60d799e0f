/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A person's terminal joined to a console's socket: plain bytes both ways. When standard input is a terminal it is raw
 * meanwhile, so every key goes to the guest but the escape, Ctrl-]. When it is not, its bytes are sent until its end,
 * and the guest's go on being printed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#define TERMINAL_ESCAPE 0x1d /* Ctrl-] */

struct terminal {
        int socket_fd; /* owned; -1: no console */
        bool is_raw;
        bool input_ended;
        struct termios saved;
};

/* Takes @socket_fd (-1: none) and makes a terminal on standard input raw. */
void terminal_open(struct terminal *t, int socket_fd);

/* Gives the terminal back as it was, and closes. Idempotent. */
void terminal_close(struct terminal *t);

/* What to poll standard input for: its descriptor, or -1 when there is nothing more to read or nobody to send it to. */
int terminal_input_fd(const struct terminal *t);

/* Passes on what was typed. Return: true if the escape was among it; what came before it was passed on. */
bool terminal_take_input(struct terminal *t);

/* Prints what the guest wrote. Return: false at the end of the console, which is then closed. */
bool terminal_take_output(struct terminal *t);

/* Prints what is still to come until the console is closed by the other side. */
void terminal_drain(struct terminal *t);
