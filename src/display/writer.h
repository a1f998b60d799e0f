/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Writes pictures to descriptors that peers gave, on a thread of its own: encoding takes tens of milliseconds, and a
 * peer may not read. One picture at a time.
 *
 * A pipe is polled and given no more than it takes at once; one that takes nothing for WRITER_PATIENCE_MS fails. A
 * regular file is written as it is: a file system that hangs holds up this thread, and nothing else.
 *
 * Threads: the functions are the loop's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define WRITER_PATIENCE_MS 5000
#define WRITER_MAGIC "BUSFRAME"

struct loop;
struct picture;
struct writer;

/* Before each raw frame; host byte order. Rows follow without padding: 4 bytes a pixel, 0x00rrggbb. */
struct writer_frame {
        char magic[8];
        uint32_t width, height;
        uint32_t sequence; /* of frames that were written */
        uint32_t n_missed; /* frames since the last one that the reader was too slow for */
        uint64_t time_ns;  /* CLOCK_MONOTONIC */
};

/* On the loop: the picture is written (0) or not (a negative errno; -ETIMEDOUT: nobody reads). */
typedef void (*writer_fn)(void *data, int result);

/* Return: 0 or a negative errno. */
int writer_new(struct loop *loop, writer_fn done, void *data, struct writer **ret);

/* Starts the thread. Return: 0 or a negative errno. */
int writer_start(struct writer *w);

/*
 * Ends the thread, if necessary in the middle of a picture; done() is not called any more. A thread that a file
 * system holds up is left behind after a second: the process is about to end.
 */
struct writer *writer_free(struct writer *w);

bool writer_is_busy(const struct writer *w);

/**
 * writer_submit() - begin to write; the writer is not busy
 * @fd:     a pipe or regular file, see writer_check_fd(); borrowed until done() or writer_free()
 * @p_take: x8r8g8b8; nobody writes to it any more
 * @frame:  NULL: write a PNG; otherwise a raw frame with this header, whose width and height are filled in
 */
void writer_submit(struct writer *w, int fd, struct picture *p_take, const struct writer_frame *frame);

/* What is being written, if anything, soon ends with -ECANCELED, if it does not end otherwise before. */
void writer_cancel(struct writer *w);

/*
 * Whether a descriptor can be written to. Return: 0; -EINVAL: neither pipe nor regular file; -EBADF: not open for
 * writing.
 */
int writer_check_fd(int fd);
