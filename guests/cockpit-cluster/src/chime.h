/* SPDX-License-Identifier: MPL-2.0 */
/* The warning chime: three strokes of a bell, made by arithmetic and played by a thread of its own. */
#pragma once

/* Starts the thread. Without a sound card it says so on stderr and the chime is silent. */
void chime_init(void);

/* Plays the chime; while it plays, another call does nothing. */
void chime_play(void);
