/* SPDX-License-Identifier: MPL-2.0 */
/* Plays the tune to the first sound card, in a thread of its own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tune.h"

struct player_state {
        bool is_playing;
        double position_s, length_s;
        uint8_t bands[TUNE_BANDS];
};

/* Starts the thread, silent. Without a sound card it says so on stderr. */
void player_init(void);

void player_toggle(void);

/* Forward or back by so many seconds. */
void player_skip(double seconds);

void player_state(struct player_state *ret);
