/* SPDX-License-Identifier: MPL-2.0 */
/* The device types, one a line; types.c lists them. */
#pragma once

struct server_type;

extern const struct server_type server_type_blk;
extern const struct server_type server_type_console;
extern const struct server_type server_type_gpu;
extern const struct server_type server_type_input;
extern const struct server_type server_type_net;
extern const struct server_type server_type_rng;
extern const struct server_type server_type_sound;

/* What the types say of themselves that are programs of their own: `busbar`, which lists them, has only their names. */
#define SERVER_SUMMARY_GPU "Displays of several guests composed on screens"
#define SERVER_SUMMARY_INPUT "Touch, keys, pointer and rotary knob for the guest whose display is used"
#define SERVER_SUMMARY_SOUND "Sound of several guests mixed by priority"
