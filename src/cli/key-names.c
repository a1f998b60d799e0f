/* SPDX-License-Identifier: MPL-2.0 */
#include "cli/key-names.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <linux/input-event-codes.h>

static const struct {
        const char *name;
        uint16_t code;
} keys[] = {
        { "esc", KEY_ESC }, { "1", KEY_1 }, { "2", KEY_2 }, { "3", KEY_3 }, { "4", KEY_4 }, { "5", KEY_5 },
        { "6", KEY_6 }, { "7", KEY_7 }, { "8", KEY_8 }, { "9", KEY_9 }, { "0", KEY_0 }, { "minus", KEY_MINUS },
        { "equal", KEY_EQUAL }, { "backspace", KEY_BACKSPACE }, { "tab", KEY_TAB }, { "q", KEY_Q }, { "w", KEY_W },
        { "e", KEY_E }, { "r", KEY_R }, { "t", KEY_T }, { "y", KEY_Y }, { "u", KEY_U }, { "i", KEY_I },
        { "o", KEY_O }, { "p", KEY_P }, { "leftbrace", KEY_LEFTBRACE }, { "rightbrace", KEY_RIGHTBRACE },
        { "enter", KEY_ENTER }, { "leftctrl", KEY_LEFTCTRL }, { "a", KEY_A }, { "s", KEY_S }, { "d", KEY_D },
        { "f", KEY_F }, { "g", KEY_G }, { "h", KEY_H }, { "j", KEY_J }, { "k", KEY_K }, { "l", KEY_L },
        { "semicolon", KEY_SEMICOLON }, { "apostrophe", KEY_APOSTROPHE }, { "grave", KEY_GRAVE },
        { "leftshift", KEY_LEFTSHIFT }, { "backslash", KEY_BACKSLASH }, { "z", KEY_Z }, { "x", KEY_X },
        { "c", KEY_C }, { "v", KEY_V }, { "b", KEY_B }, { "n", KEY_N }, { "m", KEY_M }, { "comma", KEY_COMMA },
        { "dot", KEY_DOT }, { "slash", KEY_SLASH }, { "rightshift", KEY_RIGHTSHIFT },
        { "kpasterisk", KEY_KPASTERISK }, { "leftalt", KEY_LEFTALT }, { "space", KEY_SPACE },
        { "capslock", KEY_CAPSLOCK }, { "f1", KEY_F1 }, { "f2", KEY_F2 }, { "f3", KEY_F3 }, { "f4", KEY_F4 },
        { "f5", KEY_F5 }, { "f6", KEY_F6 }, { "f7", KEY_F7 }, { "f8", KEY_F8 }, { "f9", KEY_F9 }, { "f10", KEY_F10 },
        { "numlock", KEY_NUMLOCK }, { "scrolllock", KEY_SCROLLLOCK }, { "kp7", KEY_KP7 }, { "kp8", KEY_KP8 },
        { "kp9", KEY_KP9 }, { "kpminus", KEY_KPMINUS }, { "kp4", KEY_KP4 }, { "kp5", KEY_KP5 }, { "kp6", KEY_KP6 },
        { "kpplus", KEY_KPPLUS }, { "kp1", KEY_KP1 }, { "kp2", KEY_KP2 }, { "kp3", KEY_KP3 }, { "kp0", KEY_KP0 },
        { "kpdot", KEY_KPDOT }, { "102nd", KEY_102ND }, { "f11", KEY_F11 }, { "f12", KEY_F12 },
        { "kpenter", KEY_KPENTER }, { "rightctrl", KEY_RIGHTCTRL }, { "kpslash", KEY_KPSLASH },
        { "sysrq", KEY_SYSRQ }, { "rightalt", KEY_RIGHTALT }, { "home", KEY_HOME }, { "up", KEY_UP },
        { "pageup", KEY_PAGEUP }, { "left", KEY_LEFT }, { "right", KEY_RIGHT }, { "end", KEY_END },
        { "down", KEY_DOWN }, { "pagedown", KEY_PAGEDOWN }, { "insert", KEY_INSERT }, { "delete", KEY_DELETE },
        { "mute", KEY_MUTE }, { "volumedown", KEY_VOLUMEDOWN }, { "volumeup", KEY_VOLUMEUP }, { "power", KEY_POWER },
        { "kpequal", KEY_KPEQUAL }, { "pause", KEY_PAUSE }, { "leftmeta", KEY_LEFTMETA },
        { "rightmeta", KEY_RIGHTMETA }, { "compose", KEY_COMPOSE }, { "stop", KEY_STOP }, { "again", KEY_AGAIN },
        { "undo", KEY_UNDO }, { "copy", KEY_COPY }, { "open", KEY_OPEN }, { "paste", KEY_PASTE },
        { "find", KEY_FIND }, { "cut", KEY_CUT }, { "help", KEY_HELP }, { "menu", KEY_MENU }, { "calc", KEY_CALC },
        { "setup", KEY_SETUP }, { "sleep", KEY_SLEEP }, { "wakeup", KEY_WAKEUP }, { "mail", KEY_MAIL },
        { "bookmarks", KEY_BOOKMARKS }, { "back", KEY_BACK }, { "forward", KEY_FORWARD },
        { "nextsong", KEY_NEXTSONG }, { "playpause", KEY_PLAYPAUSE }, { "previoussong", KEY_PREVIOUSSONG },
        { "stopcd", KEY_STOPCD }, { "record", KEY_RECORD }, { "rewind", KEY_REWIND }, { "phone", KEY_PHONE },
        { "homepage", KEY_HOMEPAGE }, { "refresh", KEY_REFRESH }, { "exit", KEY_EXIT }, { "scrollup", KEY_SCROLLUP },
        { "scrolldown", KEY_SCROLLDOWN }, { "play", KEY_PLAY }, { "fastforward", KEY_FASTFORWARD },
        { "search", KEY_SEARCH }, { "brightnessdown", KEY_BRIGHTNESSDOWN }, { "brightnessup", KEY_BRIGHTNESSUP },
        { "media", KEY_MEDIA }, { "select", KEY_SELECT }, { "ok", KEY_OK }, { "cancel", KEY_CANCEL },
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

uint16_t key_from_name(const char *name, size_t n)
{
        char text[32];
        unsigned long code;
        char *end;

        if (n == 0 || n >= sizeof(text))
                return 0;
        memcpy(text, name, n);
        text[n] = '\0';
        for (size_t i = 0; i < N_KEYS; i++)
                if (strcasecmp(keys[i].name, text) == 0)
                        return keys[i].code;
        if (text[0] != '#' || strspn(text + 1, "0123456789") != n - 1 || n < 2)
                return 0;
        code = strtoul(text + 1, &end, 10);
        return code <= KEY_MAX ? (uint16_t) code : 0;
}
