/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SDL numbers keys by their place as USB does (HID usage page 7), so that a guest's own layout decides what is on them.
 * The place of a mouse arrives in pixels of the picture, whatever the size of the window, that of a finger in parts of
 * the window.
 */
#include "display/window-input.h"

#include <linux/input-event-codes.h>
#include <string.h>

#include "base/macros.h"
#include "seat/sender.h"

static const uint16_t keys[] = {
        [SDL_SCANCODE_A] = KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G, KEY_H, KEY_I, KEY_J, KEY_K, KEY_L, KEY_M,
        KEY_N, KEY_O, KEY_P, KEY_Q, KEY_R, KEY_S, KEY_T, KEY_U, KEY_V, KEY_W, KEY_X, KEY_Y, KEY_Z,
        [SDL_SCANCODE_1] = KEY_1, KEY_2, KEY_3, KEY_4, KEY_5, KEY_6, KEY_7, KEY_8, KEY_9, KEY_0,
        [SDL_SCANCODE_RETURN] = KEY_ENTER, KEY_ESC, KEY_BACKSPACE, KEY_TAB, KEY_SPACE, KEY_MINUS, KEY_EQUAL,
        KEY_LEFTBRACE, KEY_RIGHTBRACE, KEY_BACKSLASH, KEY_BACKSLASH, KEY_SEMICOLON, KEY_APOSTROPHE, KEY_GRAVE,
        KEY_COMMA, KEY_DOT, KEY_SLASH, KEY_CAPSLOCK,
        [SDL_SCANCODE_F1] = KEY_F1, KEY_F2, KEY_F3, KEY_F4, KEY_F5, KEY_F6, KEY_F7, KEY_F8, KEY_F9, KEY_F10, KEY_F11,
        KEY_F12, KEY_SYSRQ, KEY_SCROLLLOCK, KEY_PAUSE, KEY_INSERT, KEY_HOME, KEY_PAGEUP, KEY_DELETE, KEY_END,
        KEY_PAGEDOWN, KEY_RIGHT, KEY_LEFT, KEY_DOWN, KEY_UP, KEY_NUMLOCK, KEY_KPSLASH, KEY_KPASTERISK, KEY_KPMINUS,
        KEY_KPPLUS, KEY_KPENTER, KEY_KP1, KEY_KP2, KEY_KP3, KEY_KP4, KEY_KP5, KEY_KP6, KEY_KP7, KEY_KP8, KEY_KP9,
        KEY_KP0, KEY_KPDOT, KEY_102ND, KEY_COMPOSE,
        [SDL_SCANCODE_MUTE] = KEY_MUTE, KEY_VOLUMEUP, KEY_VOLUMEDOWN,
        [SDL_SCANCODE_LCTRL] = KEY_LEFTCTRL, KEY_LEFTSHIFT, KEY_LEFTALT, KEY_LEFTMETA, KEY_RIGHTCTRL, KEY_RIGHTSHIFT,
        KEY_RIGHTALT, KEY_RIGHTMETA,
        [SDL_SCANCODE_AUDIONEXT] = KEY_NEXTSONG, KEY_PREVIOUSSONG, KEY_STOPCD, KEY_PLAYPAUSE,
};

void window_input_init(struct window_input *in, uint32_t width, uint32_t height)
{
        *in = (struct window_input) { .width = width, .height = height };
}

static void send_message(struct window_input *in, const struct seat_message *m)
{
        if (in->seat)
                (void) seat_send(in->seat, m); /* what is lost shows in the sequence */
}

void window_input_reset(struct window_input *in)
{
        if (in->seat)
                seat_send_leave(in->seat);
        memset(in->fingers, 0, sizeof(in->fingers));
}

static uint32_t axis(int pixel, uint32_t size)
{
        return seat_axis_from_pixel(pixel < 0 ? 0 : MIN((uint32_t) pixel, size - 1), size);
}

static void send_place(struct window_input *in, int x, int y)
{
        send_message(in, &(struct seat_message) { .kind = SEAT_POINTER_MOVE, .x = axis(x, in->width),
                                                  .y = axis(y, in->height) });
}

static void send_button(struct window_input *in, const SDL_MouseButtonEvent *e)
{
        static const uint16_t codes[] = { [SDL_BUTTON_LEFT] = BTN_LEFT, BTN_MIDDLE, BTN_RIGHT, BTN_SIDE, BTN_EXTRA };

        if (e->button >= ARRAY_SIZE(codes) || codes[e->button] == 0)
                return;
        send_place(in, e->x, e->y);
        send_message(in, &(struct seat_message) { .kind = SEAT_BUTTON, .code = codes[e->button],
                                                  .value = e->state == SDL_PRESSED });
}

static void send_wheel(struct window_input *in, const SDL_MouseWheelEvent *e)
{
        if (e->y != 0)
                send_message(in, &(struct seat_message) { .kind = SEAT_WHEEL, .code = REL_WHEEL, .value = e->y });
        if (e->x != 0)
                send_message(in, &(struct seat_message) { .kind = SEAT_WHEEL, .code = REL_HWHEEL, .value = e->x });
}

static void send_key(struct window_input *in, const SDL_KeyboardEvent *e)
{
        size_t scancode = e->keysym.scancode;

        if (e->repeat == 0 && scancode < ARRAY_SIZE(keys) && keys[scancode] != 0) /* guests repeat by themselves */
                send_message(in, &(struct seat_message) { .kind = SEAT_KEY, .code = keys[scancode],
                                                          .value = e->state == SDL_PRESSED });
}

/* Return: the seat's number of a finger, a free one if it was not down; < 0: none. */
static int find_finger(const struct window_input *in, const SDL_TouchFingerEvent *e)
{
        for (int i = 0; i < WINDOW_FINGERS_MAX; i++)
                if (in->fingers[i].down && in->fingers[i].device == e->touchId && in->fingers[i].finger == e->fingerId)
                        return i;
        for (int i = 0; i < WINDOW_FINGERS_MAX && e->type == SDL_FINGERDOWN; i++)
                if (!in->fingers[i].down)
                        return i;
        return -1;
}

static void send_finger(struct window_input *in, const SDL_TouchFingerEvent *e)
{
        static const float size = 65536;
        int i = find_finger(in, e);
        struct seat_message m = { .kind = e->type == SDL_FINGERDOWN ? SEAT_TOUCH_DOWN
                                          : e->type == SDL_FINGERUP ? SEAT_TOUCH_UP : SEAT_TOUCH_MOVE };

        if (i < 0)
                return;
        in->fingers[i].device = e->touchId;
        in->fingers[i].finger = e->fingerId;
        in->fingers[i].down = e->type != SDL_FINGERUP;
        m.id = (uint32_t) i;
        m.x = (uint32_t) SDL_clamp(e->x * size, 0.0f, (float) SEAT_AXIS_MAX);
        m.y = (uint32_t) SDL_clamp(e->y * size, 0.0f, (float) SEAT_AXIS_MAX);
        send_message(in, &m);
}

void window_input_event(struct window_input *in, const SDL_Event *e)
{
        switch (e->type) {
        case SDL_MOUSEMOTION:
                send_place(in, e->motion.x, e->motion.y);
                break;
        case SDL_MOUSEBUTTONDOWN:
        case SDL_MOUSEBUTTONUP:
                send_button(in, &e->button);
                break;
        case SDL_MOUSEWHEEL:
                send_wheel(in, &e->wheel);
                break;
        case SDL_KEYDOWN:
        case SDL_KEYUP:
                send_key(in, &e->key);
                break;
        case SDL_FINGERDOWN:
        case SDL_FINGERMOTION:
        case SDL_FINGERUP:
                send_finger(in, &e->tfinger);
                break;
        case SDL_WINDOWEVENT:
                if (e->window.event == SDL_WINDOWEVENT_FOCUS_LOST)
                        window_input_reset(in);
                break;
        default:
                break;
        }
}
