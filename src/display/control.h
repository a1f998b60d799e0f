/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The control socket of a display server: one JSON object a line, one answer a line, in order.
 *
 *      → {"screenshot": "main"} with a descriptor      ← {"ok": true}, once the PNG is written
 *      → {"dump": "main"} with a descriptor            ← {"ok": true}; raw frames (writer.h) until the caller leaves
 *      → {"mode": {"display": "ivi", "size": [w, h]}}  ← {"ok": true}
 *      → {"stats": true}                               ← {"screens": {"main": {"frames": 1, ...}}, ...}
 *      → {"watch": true}                               ← {"ok": true}; then a line for each guard that is violated, and
 *                                                        for each that changes: {"event": "guard",
 *                                                        "display": "cluster", "guard": "telltale",
 *                                                        "violated": true, "timeNs": 1}
 * What fails is answered {"error": "..."}.
 *
 * A descriptor is a pipe or a regular file, open for writing. Callers and their bounds: base/control.h; half of the
 * places may watch, and a watcher that does not read loses its own. Pictures are written by threads: one screenshot at
 * a time, the next caller waits; one dump, the next is refused.
 *
 * Threads: the screens' loop.
 */
#pragma once

struct display_control;
struct loop;
struct screen;
struct screen_guard_event;

/* Listens at a path, replacing a stale socket. Return: 0 or a negative errno. */
int display_control_open(struct loop *loop, const char *path, struct display_control **ret);

/* Makes a screen known. It is borrowed until display_control_free(), which comes first. Return: 0 or -ENOMEM. */
int display_control_add_screen(struct display_control *c, struct screen *screen);

/*
 * Starts the threads that write pictures: after the process gave up its rights, before its system calls are filtered.
 */
int display_control_start(struct display_control *c);

/* Removing the socket's file is the caller's. */
struct display_control *display_control_free(struct display_control *c);

/* Tells watchers; to be called with each event of screen_on_guard(). */
void display_control_tell_guard(struct display_control *c, const struct screen_guard_event *e);
