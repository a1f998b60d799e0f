/* SPDX-License-Identifier: MPL-2.0 */
/* See media.h. Places are the card's. */
#include "media.h"

#include <math.h>
#include <stdio.h>

#include "draw.h"

#define TEXT_X 218
#define BAR_Y 122
#define BUTTON_Y 188
#define BANDS_X 452
#define BANDS_BASE 92

const cairo_rectangle_int_t media_lively = { TEXT_X - 10, 24, 640 - TEXT_X, 124 };

static const struct {
        double x, radius;
} buttons[N_MEDIA_BUTTONS] = { { 310, 28 }, { 412, 40 }, { 514, 28 } };

/* The cover: a night road into a low sun. */
static void draw_cover(cairo_t *cr, double x, double y, double size)
{
        cairo_pattern_t *sky = cairo_pattern_create_linear(0, y, 0, y + size);

        cairo_save(cr);
        draw_rounded(cr, x, y, size, size, 16);
        cairo_clip(cr);
        cairo_pattern_add_color_stop_rgb(sky, 0, 0.07, 0.06, 0.24);
        cairo_pattern_add_color_stop_rgb(sky, 0.45, 0.52, 0.13, 0.46);
        cairo_pattern_add_color_stop_rgb(sky, 0.62, 0.98, 0.45, 0.30);
        cairo_set_source(cr, sky);
        cairo_paint(cr);
        cairo_pattern_destroy(sky);
        cairo_arc(cr, x + size / 2, y + size * 0.56, size * 0.22, 0, 2 * M_PI);
        draw_colour(cr, 0xffd27a, 1);
        cairo_fill(cr);
        draw_colour(cr, 0x8a2a63, 1);
        for (int i = 0; i < 4; i++) {
                cairo_rectangle(cr, x, y + size * (0.50 + i * 0.045), size, 1.2 + i * 0.8);
                cairo_fill(cr);
        }
        cairo_rectangle(cr, x, y + size * 0.64, size, size);
        draw_colour(cr, 0x120d26, 1);
        cairo_fill(cr);
        cairo_move_to(cr, x + size * 0.49, y + size * 0.64);
        cairo_line_to(cr, x + size * 0.08, y + size);
        cairo_line_to(cr, x + size * 0.92, y + size);
        cairo_line_to(cr, x + size * 0.51, y + size * 0.64);
        cairo_close_path(cr);
        draw_colour(cr, 0x241a45, 1);
        cairo_fill(cr);
        for (int i = 0; i < 4; i++) {
                double top = 0.66 + 0.085 * i, width = 0.004 + 0.009 * i;

                cairo_rectangle(cr, x + size * (0.5 - width / 2), y + size * top, size * width, size * 0.05);
                draw_colour(cr, 0xff9ad5, 1);
                cairo_fill(cr);
        }
        cairo_restore(cr);
}

void media_init(struct media *media, int x, int y, int width, int height)
{
        cairo_t *cr;

        *media = (struct media) { x, y, width, height, cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height) };
        cr = cairo_create(media->ground);
        draw_colour(cr, 0x0b1219, 1);
        cairo_paint(cr);
        cairo_rectangle(cr, 0, 0, width, 2);
        draw_colour(cr, COLOUR_EDGE, 1);
        cairo_fill(cr);
        draw_cover(cr, 28, 34, 164);
        draw_colour(cr, COLOUR_TEXT, 1);
        draw_text(cr, WEIGHT_MEDIUM, 30, TEXT_X, 62, ALIGN_LEFT, "Night Shift");
        draw_colour(cr, COLOUR_FAINT, 1);
        draw_text(cr, WEIGHT_REGULAR, 19, TEXT_X, 90, ALIGN_LEFT, "The Copper Rails");
        cairo_destroy(cr);
}

static void draw_progress(cairo_t *cr, const struct player_state *state)
{
        double width = 640 - TEXT_X - 28, done = width * state->position_s / state->length_s;
        char text[16];

        draw_rounded(cr, TEXT_X, BAR_Y, width, 6, 3);
        draw_colour(cr, 0x22303d, 1);
        cairo_fill(cr);
        draw_rounded(cr, TEXT_X, BAR_Y, fmax(done, 6), 6, 3);
        draw_colour(cr, COLOUR_ACCENT, 1);
        cairo_fill(cr);
        cairo_arc(cr, TEXT_X + done, BAR_Y + 3, 7, 0, 2 * M_PI);
        draw_colour(cr, COLOUR_TEXT, 1);
        cairo_fill(cr);
        draw_colour(cr, COLOUR_FAINT, 1);
        (void) snprintf(text, sizeof(text), "%d:%02d", (int) state->position_s / 60, (int) state->position_s % 60);
        draw_text(cr, WEIGHT_REGULAR, 15, TEXT_X, BAR_Y + 25, ALIGN_LEFT, text);
        (void) snprintf(text, sizeof(text), "%d:%02d", (int) state->length_s / 60, (int) state->length_s % 60);
        draw_text(cr, WEIGHT_REGULAR, 15, TEXT_X + width, BAR_Y + 25, ALIGN_RIGHT, text);
}

static void draw_bands(cairo_t *cr, const struct player_state *state)
{
        for (int i = 0; i < TUNE_BANDS; i++) {
                double height = 4 + (state->is_playing ? state->bands[i] * 56 / 255.0 : 0);

                cairo_rectangle(cr, BANDS_X + i * 10, BANDS_BASE - height, 7, height);
                cairo_set_source_rgb(cr, 0.20 + 0.045 * i, 0.72 - 0.015 * i, 1);
                cairo_fill(cr);
        }
}

static void draw_button(cairo_t *cr, enum media_button button, const struct player_state *state, bool is_pressed)
{
        double x = buttons[button].x, y = BUTTON_Y + 4;
        int direction = button == MEDIA_BACK ? -1 : 1;

        cairo_arc(cr, x, y, buttons[button].radius, 0, 2 * M_PI);
        draw_colour(cr, button == MEDIA_PLAY ? COLOUR_ACCENT : 0x16212c, 1);
        cairo_fill(cr);
        if (is_pressed) {
                cairo_arc(cr, x, y, buttons[button].radius + 4, 0, 2 * M_PI);
                cairo_set_line_width(cr, 4);
                draw_colour(cr, COLOUR_TEXT, 0.8);
                cairo_stroke(cr);
        }
        draw_colour(cr, button == MEDIA_PLAY ? 0x06121c : COLOUR_TEXT, 1);
        if (button == MEDIA_PLAY && state->is_playing) {
                cairo_rectangle(cr, x - 12, y - 15, 8, 30);
                cairo_rectangle(cr, x + 4, y - 15, 8, 30);
        } else if (button == MEDIA_PLAY) {
                cairo_move_to(cr, x - 10, y - 17);
                cairo_line_to(cr, x + 19, y);
                cairo_line_to(cr, x - 10, y + 17);
        } else {
                for (int i = -1; i <= 0; i++) {
                        cairo_move_to(cr, x + direction * i * 11, y - 10);
                        cairo_line_to(cr, x + direction * (i * 11 + 12), y);
                        cairo_line_to(cr, x + direction * i * 11, y + 10);
                        cairo_close_path(cr);
                }
        }
        cairo_fill(cr);
}

void media_draw(const struct media *media, cairo_t *cr, const struct player_state *state, int pressed)
{
        cairo_save(cr);
        cairo_translate(cr, media->x, media->y);
        cairo_rectangle(cr, 0, 0, media->width, media->height);
        cairo_clip(cr);
        cairo_set_source_surface(cr, media->ground, 0, 0);
        cairo_paint(cr);
        draw_bands(cr, state);
        draw_progress(cr, state);
        for (int i = 0; i < N_MEDIA_BUTTONS; i++)
                draw_button(cr, (enum media_button) i, state, i == pressed);
        cairo_restore(cr);
}

int media_button_at(const struct media *media, double x, double y)
{
        for (int i = 0; i < N_MEDIA_BUTTONS; i++)
                if (hypot(x - media->x - buttons[i].x, y - media->y - BUTTON_Y - 4) <= buttons[i].radius + 8)
                        return i;
        return -1;
}
