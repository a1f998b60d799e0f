/* SPDX-License-Identifier: MPL-2.0 */
/* A thread that runs a loop of its own. Work reaches it by loop_call(). */
#pragma once

struct loop;
struct worker;

/**
 * worker_new() - start a thread that runs a new loop
 * @name: thread name, cut to 15 characters
 *
 * Signals are blocked in it as thread_start() says. When this returns, the loop runs.
 *
 * Return: 0, or a negative errno.
 */
int worker_new(const char *name, struct worker **ret);

/* Ends the loop, joins the thread. What was started on the loop must be stopped before. */
struct worker *worker_free(struct worker *w);

struct loop *worker_loop(struct worker *w);
