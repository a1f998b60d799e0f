/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a guest's driver takes for granted: its resources, their backings, what its scanouts and cursors show. It is
 * kept in a file, so that the successor of a server that was killed can have it again: drivers do not know how to begin
 * anew.
 *
 *      file:  head │ scanouts 0 │ scanouts 1 │ half 0 │ half 1
 *             └─ one word: which scanouts count, which half, and how much of it
 *
 * A half holds commands, in the driver's own words, that bring about all resources there are. A change adds one. When a
 * half has too many that no longer matter, the other half is filled with those that do. Scanouts change with every
 * flip: they have two places of a fixed size, which take turns. In all cases something that does not count yet is
 * written first, and then the head's word in one store, so that a server may be killed between any two instructions.
 *
 * Pixels are not kept: those that the guest transferred are transferred anew from its memory, where they still are.
 *
 * What a predecessor left is believed no more than what a guest sends: it goes through the same commands, with the same
 * checks and quotas. The file has to be the server's own all the same: nothing else may write there.
 *
 * Threads: the queues'; gpu_journal_open(), _clear() and _close() while they are stopped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct gpu;
struct gpu_resource;
struct space;

/**
 * gpu_journal_open() - keep a guest's state in a file
 * @fd: borrowed: open for reading and writing; what is in it waits for gpu_journal_begin(), or _clear()
 *
 * Return: 0 or a negative errno.
 */
int gpu_journal_open(struct gpu *gpu, int fd);
void gpu_journal_close(struct gpu *gpu);

/* Forgets all: the device is reset. */
void gpu_journal_clear(struct gpu *gpu);

/* Something that a predecessor left is waiting. */
bool gpu_journal_waits(const struct gpu *gpu);

/* What is waiting is to be brought back: gpu->resumes until gpu_journal_resume() is done, or all is forgotten. */
void gpu_journal_begin(struct gpu *gpu);

/**
 * gpu_journal_resume() - bring it back, and show it
 *
 * It is cut when somebody waits for this thread, as a command is, and goes on with the next call where it was: from
 * the start of the command, the resource or the scanout that it was cut in. It ends between two of them when the
 * thread has had its share of a CPU. Meanwhile no command of the guest's is to be done. The file stays as the
 * predecessor left it until the end: whoever is killed amid it has a successor who can begin anew.
 *
 * Return: true if it is done.
 */
bool gpu_journal_resume(struct gpu *gpu, const struct space *space);

/* Changes that were made, each after it was; nothing without a journal. */
void gpu_journal_add(struct gpu *gpu, const struct gpu_resource *resource);     /* created, as it is now */
void gpu_journal_backing(struct gpu *gpu, const struct gpu_resource *resource); /* attached or detached */
void gpu_journal_uuid(struct gpu *gpu, const struct gpu_resource *resource);
void gpu_journal_remove(struct gpu *gpu, uint32_t id);
void gpu_journal_scanouts(struct gpu *gpu);
