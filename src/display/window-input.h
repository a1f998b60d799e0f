/* SPDX-License-Identifier: MPL-2.0 */
/* What people do in a window, as messages of the seat. The window's thread's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <SDL_events.h>

struct seat_sender;

#define WINDOW_FINGERS_MAX 10

struct window_input {
        struct seat_sender *seat; /* owned by the window; NULL: nobody listens */
        uint32_t width, height;   /* of the picture */
        struct {
                SDL_TouchID device;
                SDL_FingerID finger;
                bool down;
        } fingers[WINDOW_FINGERS_MAX]; /* the index is the seat's number of the finger */
};

void window_input_init(struct window_input *in, uint32_t width, uint32_t height);
void window_input_event(struct window_input *in, const SDL_Event *e);

/* All that is held is let go. */
void window_input_reset(struct window_input *in);
