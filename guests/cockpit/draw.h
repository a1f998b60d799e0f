/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the cockpit's two guests draw alike: colours of one design, and text from font files. Text goes straight to
 * FreeType: a search for fonts would take as long as the rest of the start.
 */
#pragma once

#include <cairo.h>
#include <stdbool.h>
#include <stdint.h>

enum colour {
        COLOUR_GROUND = 0x070b10,
        COLOUR_PANEL = 0x101821,
        COLOUR_EDGE = 0x22303d,
        COLOUR_DIM = 0x32414f,
        COLOUR_FAINT = 0x7b8fa1,
        COLOUR_TEXT = 0xeaf2f8,
        COLOUR_ACCENT = 0x35b6ff,
        COLOUR_WARM = 0xff6a3c,
        COLOUR_RED = 0xff3b3b,
        COLOUR_AMBER = 0xffb52e,
        COLOUR_GREEN = 0x3fdc7f,
        COLOUR_BLUE = 0x4f8dff,
};

enum weight { WEIGHT_LIGHT, WEIGHT_REGULAR, WEIGHT_MEDIUM, WEIGHT_BOLD, N_WEIGHTS };

enum align { ALIGN_LEFT, ALIGN_CENTRE, ALIGN_RIGHT };

/**
 * draw_init() - load the fonts
 *
 * Return: false with a line on stderr if one is missing.
 */
bool draw_init(void);

void draw_colour(cairo_t *cr, uint32_t rgb, double alpha);

/* A line of text, its baseline at @y. */
void draw_text(cairo_t *cr, enum weight weight, double size, double x, double y, enum align align, const char *text);

/* Adds a rectangle with round corners to the path. */
void draw_rounded(cairo_t *cr, double x, double y, double w, double h, double radius);
