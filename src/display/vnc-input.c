/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A viewer's events as messages of the seat. Viewers repeat a key that is held; a guest does that itself, so only
 * changes are passed on.
 */
#include <linux/input-event-codes.h>
#include <string.h>

#include "base/macros.h"
#include "display/keysym.h"
#include "display/vnc-private.h"
#include "seat/sender.h"

/* By the protocol's bits; zero: the wheel, see below. */
static const uint16_t button_codes[] = { BTN_LEFT, BTN_MIDDLE, BTN_RIGHT, 0, 0, 0, 0, BTN_SIDE };

static void send_message(struct vnc_input *in, const struct seat_message *m)
{
        if (in->seat)
                (void) seat_send(in->seat, m); /* what is lost shows in the sequence */
}

void vnc_input_reset(struct vnc_input *in)
{
        if (in->seat)
                seat_send_leave(in->seat);
        in->x = in->y = -1;
        in->buttons = 0;
        memset(in->keys, 0, sizeof(in->keys));
}

void vnc_input_key(struct vnc_input *in, bool down, uint32_t keysym)
{
        uint16_t key = keysym_to_key(keysym);
        uint8_t bit = (uint8_t) (1u << (key % 8));

        if (key == 0 || key >= VNC_KEYS_MAX || !!(in->keys[key / 8] & bit) == down)
                return;
        in->keys[key / 8] ^= bit;
        send_message(in, &(struct seat_message) { .kind = SEAT_KEY, .code = key, .value = down });
}

static void send_button(struct vnc_input *in, size_t bit, bool down)
{
        if (button_codes[bit] != 0)
                send_message(in,
                             &(struct seat_message) { .kind = SEAT_BUTTON, .code = button_codes[bit], .value = down });
        else if (down) /* up, down, left, right: one click a press */
                send_message(in, &(struct seat_message) { .kind = SEAT_WHEEL, .code = bit < 5 ? REL_WHEEL : REL_HWHEEL,
                                                          .value = bit == 3 || bit == 6 ? 1 : -1 });
}

void vnc_input_pointer(struct vnc_input *in, int buttons, int x, int y)
{
        int changed = (buttons ^ in->buttons) & 0xff;

        x = MAX(0, MIN(x, (int) in->width - 1));
        y = MAX(0, MIN(y, (int) in->height - 1));
        if (x != in->x || y != in->y)
                send_message(in, &(struct seat_message) { .kind = SEAT_POINTER_MOVE,
                                                          .x = seat_axis_from_pixel((uint32_t) x, in->width),
                                                          .y = seat_axis_from_pixel((uint32_t) y, in->height) });
        in->x = x;
        in->y = y;
        in->buttons = buttons;
        for (size_t bit = 0; bit < ARRAY_SIZE(button_codes); bit++)
                if (changed & (1 << bit))
                        send_button(in, bit, buttons & (1 << bit));
}
