/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Control socket of the sound server (stats-control.h).
 *
 *      → {"stats": true}       ← {"speakers": [{"name", "rate", "periodFrames", "periods", "missed", "lateMaxNs",
 *                                 "realtime"}], "guests": [{"id", "running", "xruns"}]}
 *
 * Threads: the server's main loop.
 */
#pragma once

struct device;
struct loop;
struct sandbox;
struct sound_control;
struct speakers;

/* Listens at @path (borrowed), mode 0600; removed by sound_control_free(). Return: 0 or a negative errno. */
int sound_control_new(struct loop *loop, const char *path, struct sound_control **ret);
struct sound_control *sound_control_free(struct sound_control *c);

/* What it tells of; all borrowed. Return: 0 or -ENOMEM. */
int sound_control_add_guest(struct sound_control *c, const char *id, const struct device *dev);
int sound_control_add_speakers(struct sound_control *c, const struct speakers *s);

/* So that the socket can be removed in the end. Return: 0 or a negative errno. */
int sound_control_sandbox(const struct sound_control *c, struct sandbox *sandbox);
