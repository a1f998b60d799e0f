/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A dump: an output that writes raw frames of a screen (writer.h) to a descriptor, for tests. Frames that the reader
 * is too slow for are left out, never the last one.
 *
 * Threads: the screen's loop.
 */
#pragma once

struct dump;
struct loop;
struct screen;

/* Told that the running dump has ended by itself: a negative errno of writing. */
typedef void (*dump_fn)(void *data, int result);

/* Return: 0 or a negative errno. */
int dump_new(struct loop *loop, dump_fn ended, void *data, struct dump **ret);
struct dump *dump_free(struct dump *d);

/* Starts its thread. Return: 0 or a negative errno. */
int dump_start(struct dump *d);

/*
 * Takes @fd in any case, see writer_check_fd(). Return: 0; -EBUSY: one runs, or has not quite ended; a negative
 * errno.
 */
int dump_begin(struct dump *d, struct screen *screen, int fd);

/* Ends the running one, if any. */
void dump_end(struct dump *d);
