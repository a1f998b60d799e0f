/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A viewer sends what is printed on a key, shifted or not ("!" after Shift); a guest has a layout of its own and wants
 * to know which key it was. Names and numbers are those of X11's keysymdef.h; Latin-1 keysyms are the characters.
 */
#include "display/keysym.h"

#include <linux/input-event-codes.h>
#include <stddef.h>

#include "base/macros.h"

/* Characters 0x20 to 0x7e; both of a key's. */
static const uint16_t characters[] = {
        KEY_SPACE, KEY_1, KEY_APOSTROPHE, KEY_3, KEY_4, KEY_5, KEY_7, KEY_APOSTROPHE,          /* space ! " # $ % & ' */
        KEY_9, KEY_0, KEY_8, KEY_EQUAL, KEY_COMMA, KEY_MINUS, KEY_DOT, KEY_SLASH,              /* ( ) * + , - . / */
        KEY_0, KEY_1, KEY_2, KEY_3, KEY_4, KEY_5, KEY_6, KEY_7,                                /* 0 to 7 */
        KEY_8, KEY_9, KEY_SEMICOLON, KEY_SEMICOLON, KEY_COMMA, KEY_EQUAL, KEY_DOT, KEY_SLASH,  /* 8 9 : ; < = > ? */
        KEY_2, KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G,                                /* @ A to G */
        KEY_H, KEY_I, KEY_J, KEY_K, KEY_L, KEY_M, KEY_N, KEY_O,
        KEY_P, KEY_Q, KEY_R, KEY_S, KEY_T, KEY_U, KEY_V, KEY_W,
        KEY_X, KEY_Y, KEY_Z, KEY_LEFTBRACE, KEY_BACKSLASH, KEY_RIGHTBRACE, KEY_6, KEY_MINUS,   /* X Y Z [ \ ] ^ _ */
        KEY_GRAVE, KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G,                            /* ` a to g */
        KEY_H, KEY_I, KEY_J, KEY_K, KEY_L, KEY_M, KEY_N, KEY_O,
        KEY_P, KEY_Q, KEY_R, KEY_S, KEY_T, KEY_U, KEY_V, KEY_W,
        KEY_X, KEY_Y, KEY_Z, KEY_LEFTBRACE, KEY_BACKSLASH, KEY_RIGHTBRACE, KEY_GRAVE,          /* x y z { | } ~ */
};
_Static_assert(ARRAY_SIZE(characters) == 0x7f - 0x20, "one for each character");

/* Sorted by nothing; searched from its start, for a person's typing. */
static const struct {
        uint32_t keysym;
        uint16_t key;
} others[] = {
        { 0xff08, KEY_BACKSPACE },
        { 0xff09, KEY_TAB },
        { 0xfe20, KEY_TAB }, /* with Shift */
        { 0xff0d, KEY_ENTER },
        { 0xff13, KEY_PAUSE },
        { 0xff14, KEY_SCROLLLOCK },
        { 0xff15, KEY_SYSRQ },
        { 0xff1b, KEY_ESC },
        { 0xff50, KEY_HOME },
        { 0xff51, KEY_LEFT },
        { 0xff52, KEY_UP },
        { 0xff53, KEY_RIGHT },
        { 0xff54, KEY_DOWN },
        { 0xff55, KEY_PAGEUP },
        { 0xff56, KEY_PAGEDOWN },
        { 0xff57, KEY_END },
        { 0xff61, KEY_SYSRQ },
        { 0xff63, KEY_INSERT },
        { 0xff67, KEY_COMPOSE },
        { 0xff7f, KEY_NUMLOCK },
        { 0xff8d, KEY_KPENTER },
        { 0xff95, KEY_KP7 }, /* keypad without NumLock: Home, Left, Up, Right, Down, Page Up, Page Down, End, middle */
        { 0xff96, KEY_KP4 },
        { 0xff97, KEY_KP8 },
        { 0xff98, KEY_KP6 },
        { 0xff99, KEY_KP2 },
        { 0xff9a, KEY_KP9 },
        { 0xff9b, KEY_KP3 },
        { 0xff9c, KEY_KP1 },
        { 0xff9d, KEY_KP5 },
        { 0xff9e, KEY_KP0 },
        { 0xff9f, KEY_KPDOT },
        { 0xffaa, KEY_KPASTERISK },
        { 0xffab, KEY_KPPLUS },
        { 0xffac, KEY_KPCOMMA },
        { 0xffad, KEY_KPMINUS },
        { 0xffae, KEY_KPDOT },
        { 0xffaf, KEY_KPSLASH },
        { 0xffb0, KEY_KP0 },
        { 0xffb1, KEY_KP1 },
        { 0xffb2, KEY_KP2 },
        { 0xffb3, KEY_KP3 },
        { 0xffb4, KEY_KP4 },
        { 0xffb5, KEY_KP5 },
        { 0xffb6, KEY_KP6 },
        { 0xffb7, KEY_KP7 },
        { 0xffb8, KEY_KP8 },
        { 0xffb9, KEY_KP9 },
        { 0xffbd, KEY_KPEQUAL },
        { 0xffbe, KEY_F1 },
        { 0xffbf, KEY_F2 },
        { 0xffc0, KEY_F3 },
        { 0xffc1, KEY_F4 },
        { 0xffc2, KEY_F5 },
        { 0xffc3, KEY_F6 },
        { 0xffc4, KEY_F7 },
        { 0xffc5, KEY_F8 },
        { 0xffc6, KEY_F9 },
        { 0xffc7, KEY_F10 },
        { 0xffc8, KEY_F11 },
        { 0xffc9, KEY_F12 },
        { 0xffe1, KEY_LEFTSHIFT },
        { 0xffe2, KEY_RIGHTSHIFT },
        { 0xffe3, KEY_LEFTCTRL },
        { 0xffe4, KEY_RIGHTCTRL },
        { 0xffe5, KEY_CAPSLOCK },
        { 0xffe7, KEY_LEFTMETA },
        { 0xffe8, KEY_RIGHTMETA },
        { 0xffe9, KEY_LEFTALT },
        { 0xffea, KEY_RIGHTALT },
        { 0xffeb, KEY_LEFTMETA },
        { 0xffec, KEY_RIGHTMETA },
        { 0xfe03, KEY_RIGHTALT }, /* AltGr */
        { 0xffff, KEY_DELETE },
        { 0x1008ff11, KEY_VOLUMEDOWN },
        { 0x1008ff12, KEY_MUTE },
        { 0x1008ff13, KEY_VOLUMEUP },
        { 0x1008ff14, KEY_PLAYPAUSE },
        { 0x1008ff15, KEY_STOPCD },
        { 0x1008ff16, KEY_PREVIOUSSONG },
        { 0x1008ff17, KEY_NEXTSONG },
        { 0x1008ff18, KEY_HOMEPAGE },
        { 0x1008ff26, KEY_BACK },
        { 0x1008ff27, KEY_FORWARD },
};

uint16_t keysym_to_key(uint32_t keysym)
{
        if (keysym >= 0x20 && keysym - 0x20 < ARRAY_SIZE(characters))
                return characters[keysym - 0x20];
        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                if (others[i].keysym == keysym)
                        return others[i].key;
        return 0;
}
