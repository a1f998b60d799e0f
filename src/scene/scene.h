/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The scene: what on this host people see, touch and hear, and which guest has which part of it. These are the members
 * `screens`, `displays`, `speakers` and `audio` of a system file (man/busbar-system.5); the device servers that
 * share a screen or loudspeakers among guests read the same file (`--scene=FILE`), so there is one format and one
 * parser.
 *
 *      guest's scanout ─ display ─► screen ─► output        guest's stream ─ audio ─► speakers ─► backend
 *      guest's input device ◄─ display ◄─ screen ◄─ touch, keys
 *
 * Ownership: every string is the scene's own; scene_deinit() frees all. Immutable after parsing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rectangle.h"

struct json_node;

#define SCENE_SCREENS_MAX 8
#define SCENE_DISPLAYS_MAX 32
#define SCENE_GUARDS_MAX 32       /* of one display */
#define SCENE_ALLOWED_MAX 16      /* contents of one "one of" rule */
#define SCENE_SOURCES_MAX 16      /* of one screen */
#define SCENE_SPEAKERS_MAX 8
#define SCENE_AUDIO_MAX 32
#define SCENE_PIXELS_MAX 16384    /* width and height of anything */

enum scene_output { OUTPUT_HEADLESS, OUTPUT_VNC, OUTPUT_WINDOW, OUTPUT_KMS };

/* A screen: one picture, composed of displays and put out in one way. */
struct scene_screen {
        char *name;
        enum scene_output output;
        uint32_t width, height; /* pixels; of "kms": 0 by 0 takes the connector's preferred mode */
        uint32_t rate_hz;       /* at most so many pictures a second */
        uint32_t background;    /* 0xrrggbb, where no display is */
        char *listen;           /* VNC: "127.0.0.1:5900", "[::1]:5901", or the absolute path of a unix socket */
        char *password_file;    /* VNC: absolute; NULL: none */
        char *tls_certificate, *tls_key; /* VNC: absolute, PEM; both or none */
        char *device;           /* KMS: absolute path below /dev/dri */
        char *connector;        /* KMS: "HDMI-A-1"; NULL: the first that is connected */
        char **sources;         /* input: absolute paths of evdev devices */
        size_t n_sources;
        char *key_focus;        /* name of the display that gets keys until another is touched; NULL: none */
        bool focus_follows_touch; /* keys go to the display touched last */
};

enum scene_scaling {
        SCALING_NONE,    /* pixel for pixel, from the region's top left corner, cut off */
        SCALING_FIT,     /* as large as fits, proportions kept, centred; the rest shows the screen's background */
        SCALING_STRETCH, /* fills the region */
};

/**
 * scene_shown() - where on the screen all of a picture is: the display server composes it there, and the input server
 *                 maps touches by it
 * @width, @height: of the picture, not 0
 *
 * Return: within @region, but for SCALING_NONE, whose picture may be larger and is cut off.
 */
struct rectangle scene_shown(enum scene_scaling scaling, const struct rectangle *region, uint32_t width,
                             uint32_t height);

enum scene_rule {
        RULE_FRESH,  /* must change or be flushed again within limit_ms */
        RULE_ONE_OF, /* its content must be one of `allowed` for at least some moment of each limit_ms */
        RULE_LIT,    /* must not be one colour only for longer than limit_ms */
};

/* A safety-relevant part of a display. */
struct scene_guard {
        char *name;
        enum scene_rule rule;
        struct rectangle region; /* in the display's region on the screen: pixels from its top left corner */
        uint32_t limit_ms;
        /* CRC-32 (zlib) of the region's pixels as composed: row by row, each pixel 32-bit little-endian 0x00rrggbb */
        uint32_t *allowed;
        size_t n_allowed;
        char *cover;             /* absolute path of a PNG; NULL: cover_colour */
        uint32_t cover_colour;   /* 0xrrggbb */
};

/* A display: a region of a screen that a bundle knows by name. */
struct scene_display {
        char *name;
        size_t screen; /* index */
        struct rectangle region; /* on the screen */
        int order;     /* the higher is in front; the same: by the file */
        enum scene_scaling scaling;
        uint32_t width, height; /* that the guest is told (EDID): the region's unless "size" is given */
        char *fallback_image;   /* absolute path of a PNG; NULL: fallback_colour; shown while no guest shows anything */
        uint32_t fallback_colour;
        struct scene_guard *guards;
        size_t n_guards;
};

enum scene_sound_backend { SOUND_NULL, SOUND_WAV, SOUND_ALSA, SOUND_PIPEWIRE, SOUND_LOOPBACK };

/* Loudspeakers (and a microphone): where streams of several guests are mixed. */
struct scene_speakers {
        char *name;
        enum scene_sound_backend backend;
        uint32_t rate_hz;
        uint32_t n_channels;
        uint32_t period_us; /* of mixing */
        char *file;   /* WAV: absolute */
        char *device; /* ALSA: PCM name; PipeWire: target node; NULL: the default */
};

enum scene_over { OVER_MIX, OVER_DUCK, OVER_INTERRUPT };

/* A part of some loudspeakers that a bundle knows by name. */
struct scene_audio {
        char *name;
        size_t speakers; /* index */
        int priority;    /* while a stream of higher priority plays, `over` of that one is done to the lower ones */
        enum scene_over over;
        uint32_t duck_db; /* attenuation of the lower ones: 20 is -20 dB */
        bool capture;    /* the guest may record */
        bool controls;   /* the guest is offered volume and mute */
};

struct scene {
        struct scene_screen *screens;
        size_t n_screens;
        struct scene_display *displays;
        size_t n_displays;
        struct scene_speakers *speakers;
        size_t n_speakers;
        struct scene_audio *audio;
        size_t n_audio;
};

/**
 * scene_parse() - check the scene's members of a system file
 * @root:  the file's object; members that are not the scene's are left to others
 * @dir:   what relative paths in the file are relative to
 * @ret:   zeroed; half-filled after a failure, scene_deinit() it in any case
 *
 * Return: 0; -EINVAL with the document's error set; -ENOMEM.
 */
int scene_parse(const struct json_node *root, const char *dir, struct scene *ret);

/**
 * scene_load() - read them from a system file, for a device server
 * @ret_error: on failure "file:line: member: ..."; owned by the caller
 *
 * Return: 0; a negative errno.
 */
int scene_load(const char *path, struct scene *ret, char **ret_error);

/* "1280x720": each from 1 to SCENE_PIXELS_MAX. Return: 0 or -EINVAL. */
int scene_parse_size(const char *text, uint32_t *ret_width, uint32_t *ret_height);
void scene_deinit(struct scene *s);

/* Frames of a period, if the sound system takes rate and period as they are. */
static inline size_t scene_period_frames(const struct scene_speakers *s)
{
        return (size_t) ((uint64_t) s->rate_hz * s->period_us / 1000000);
}

/* Return: NULL if there is none of that name. */
const struct scene_display *scene_find_display(const struct scene *s, const char *name);
const struct scene_audio *scene_find_audio(const struct scene *s, const char *name);
