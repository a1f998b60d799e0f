/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The display server's way to the render processes (protocol.h), one for each guest that has 3D.
 *
 *      render_host   the program busbar-render, started before lock-down: makes a process a guest when asked, and a new
 *                    one after the old one died
 *      render        one guest's process; used by that guest's thread only, which waits for each answer
 *
 * A process that dies or does not answer in time is killed; what was asked of it ends with -EPIPE, and all else until
 * render_restart(): nobody but the guest whose commands it worked on notices.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RENDER_GUESTS_MAX 64 /* of one host */

struct loop;
struct rectangle;
struct render;
struct render_host;
struct space;
struct virtio_gpu_mem_entry;

/**
 * render_host_new() - start busbar-render
 * @loop:    where its end is noticed
 * @program: its path; NULL: it lies beside this program
 *
 * Return: 0; -ENOENT if this build has none; a negative errno.
 */
int render_host_new(struct loop *loop, const char *program, struct render_host **ret);
/* One that is there already, at the other end of @fd, which is taken.
   Return: 0 or -ENOMEM; the caller still has @fd then. */
int render_host_adopt(int fd, struct render_host **ret);
struct render_host *render_host_free(struct render_host *h); /* ends all render processes; NULL ok */

/* A guest's process, not yet started. @host is borrowed and must outlive it. Return: 0 or -ENOMEM; -ENOSPC. */
int render_new(struct render_host *host, struct render **ret);
struct render *render_free(struct render *r); /* NULL ok */

/* Starts the process, or a new one in its place; it knows nothing yet. Return: 0 or a negative errno. */
int render_restart(struct render *r);

/* Ends the process; it knows nothing of the guest any more. render_restart() makes a new one. */
void render_stop(struct render *r);

/* Whoever waits for the process, or will, does so for RENDER_GRACE_NS more and then gives it up, until render_resume().
   Any thread. */
#define RENDER_GRACE_NS UINT64_C(10000000)
void render_interrupt(struct render *r);
void render_resume(struct render *r);

/* The functions below return -EPIPE if the process is gone, and then again until render_restart(). */

/* Gives it the guest's memory; before the first command and whenever the space changed.
   Return: 0 or a negative errno. */
int render_set_memory(struct render *r, const struct space *space);

/**
 * render_command() - have a command done
 * @command:  as the guest wrote it, copied out of its memory
 * @payload:  of the reply, at most @n_max bytes; *ret_n is its size
 *
 * Return: the reply's VIRTIO_GPU_RESP_*, of which those with a payload only if @n_max is not 0; a negative errno.
 */
int render_command(struct render *r, const void *command, size_t n, void *payload, size_t n_max, size_t *ret_n);

/* Attaches guest memory to a resource; no entries: takes it away. Return: as render_command(). */
int render_set_backing(struct render *r, uint32_t resource, const struct virtio_gpu_mem_entry *entries,
                       uint32_t n_entries);

/**
 * render_read() - the pixels of a part of a resource
 * @ret: borrowed until the next call; rows of width * 4 bytes, the top one first
 *
 * Return: as render_command().
 */
int render_read(struct render *r, uint32_t resource, const struct rectangle *part, const uint8_t **ret);
