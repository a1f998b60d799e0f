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
