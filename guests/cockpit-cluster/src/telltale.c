/* SPDX-License-Identifier: MPL-2.0 */
/* See telltale.h. Symbols are drawn about (0, 0), some 40 units wide, after those of ISO 2575. */
#include "telltale.h"

#include <math.h>

#include "draw.h"

const cairo_rectangle_int_t telltale_places[3] = { { 464, 28, 80, 80 }, { 736, 28, 80, 80 }, { 600, 28, 80, 80 } };

static void brake(cairo_t *cr)
{
        cairo_set_line_width(cr, 3);
        cairo_arc(cr, 0, 0, 13, 0, 2 * M_PI);
        cairo_stroke(cr);
        for (int side = 0; side < 2; side++) {
                double middle = side ? 0 : M_PI;

                cairo_arc(cr, 0, 0, 20, middle - 0.85, middle + 0.85);
                cairo_stroke(cr);
        }
        cairo_set_line_width(cr, 3.4);
        cairo_move_to(cr, 0, -8);
        cairo_line_to(cr, 0, 2);
        cairo_stroke(cr);
        cairo_arc(cr, 0, 7, 2.1, 0, 2 * M_PI);
        cairo_fill(cr);
}

static void oil(cairo_t *cr)
{
        cairo_set_line_width(cr, 3);
        cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
        cairo_move_to(cr, -14, -4);
        cairo_line_to(cr, 3, -4);
        cairo_line_to(cr, 8, 0);
        cairo_line_to(cr, 19, -7);
        cairo_line_to(cr, 9, 11);
        cairo_line_to(cr, -14, 11);
        cairo_close_path(cr);
        cairo_stroke(cr);
        cairo_move_to(cr, -14, 1);
        cairo_line_to(cr, -21, -4);
        cairo_move_to(cr, -8, -4);
        cairo_line_to(cr, -8, -9);
        cairo_move_to(cr, -13, -10);
        cairo_line_to(cr, -3, -10);
        cairo_stroke(cr);
        cairo_move_to(cr, 21, -1);
        cairo_curve_to(cr, 25, 5, 23, 8, 21, 8);
        cairo_curve_to(cr, 19, 8, 17, 5, 21, -1);
        cairo_fill(cr);
}

static void battery(cairo_t *cr)
{
        cairo_set_line_width(cr, 3);
        cairo_rectangle(cr, -18, -9, 36, 21);
        cairo_stroke(cr);
        cairo_rectangle(cr, -14, -14, 8, 5);
        cairo_rectangle(cr, 6, -14, 8, 5);
        cairo_fill(cr);
        cairo_set_line_width(cr, 2.6);
        cairo_move_to(cr, -13, 2);
        cairo_line_to(cr, -5, 2);
        cairo_move_to(cr, 5, 2);
        cairo_line_to(cr, 13, 2);
        cairo_move_to(cr, 9, -2);
        cairo_line_to(cr, 9, 6);
        cairo_stroke(cr);
}

static void belt(cairo_t *cr)
{
        cairo_arc(cr, 0, -13, 5.5, 0, 2 * M_PI);
        cairo_fill(cr);
        cairo_set_line_width(cr, 3);
        cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
        cairo_move_to(cr, -9, 18);
        cairo_line_to(cr, -11, 1);
        cairo_curve_to(cr, -10, -5, 10, -5, 11, 1);
        cairo_line_to(cr, 9, 18);
        cairo_stroke(cr);
        cairo_set_line_width(cr, 3.4);
        cairo_move_to(cr, 8, -5);
        cairo_line_to(cr, -12, 15);
        cairo_stroke(cr);
        cairo_arc(cr, -9, 12, 3.2, 0, 2 * M_PI);
        cairo_fill(cr);
}

static void engine(cairo_t *cr)
{
        static const signed char outline[][2] = { { -14, -5 }, { -8, -5 }, { -4, -9 }, { 8, -9 },
                                                  { 12, -4 },  { 16, -4 }, { 16, -8 }, { 20, -8 },
                                                  { 20, 11 },  { 16, 11 }, { 16, 7 },  { 12, 7 },
                                                  { 7, 12 },   { -8, 12 }, { -12, 7 }, { -14, 7 } };

        cairo_set_line_width(cr, 3);
        cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
        for (unsigned i = 0; i < sizeof(outline) / sizeof(*outline); i++)
                cairo_line_to(cr, outline[i][0], outline[i][1]);
        cairo_close_path(cr);
        cairo_stroke(cr);
        cairo_move_to(cr, -20, -6);
        cairo_line_to(cr, -20, 8);
        cairo_move_to(cr, -20, 1);
        cairo_line_to(cr, -14, 1);
        cairo_move_to(cr, -5, -14);
        cairo_line_to(cr, 8, -14);
        cairo_move_to(cr, 1.5, -14);
        cairo_line_to(cr, 1.5, -9);
        cairo_stroke(cr);
}

static void arrow(cairo_t *cr, int direction)
{
        static const signed char outline[][2] = { { 26, 0 },  { 4, -21 }, { 4, -9 }, { -22, -9 },
                                                  { -22, 9 }, { 4, 9 },   { 4, 21 } };

        for (unsigned i = 0; i < sizeof(outline) / sizeof(*outline); i++)
                cairo_line_to(cr, outline[i][0] * direction, outline[i][1]);
        cairo_close_path(cr);
        cairo_fill(cr);
}

static void beam(cairo_t *cr)
{
        cairo_set_line_width(cr, 3.2);
        cairo_move_to(cr, 1, -12);
        cairo_curve_to(cr, 24, -14, 24, 14, 1, 12);
        cairo_curve_to(cr, -4, 6, -4, -6, 1, -12);
        cairo_stroke(cr);
        for (int i = -2; i <= 2; i++) {
                cairo_move_to(cr, -22, i * 6);
                cairo_line_to(cr, -7, i * 6);
        }
        cairo_stroke(cr);
}

struct lamp_style {
        enum lamp lamp;
        uint32_t colour;
        void (*draw)(cairo_t *cr);
};

/* A symbol at a place, with a halo when lit. */
static void draw_lamp(cairo_t *cr, double x, double y, const struct lamp_style *style, bool is_lit)
{
        cairo_save(cr);
        cairo_translate(cr, x, y);
        if (is_lit) {
                cairo_pattern_t *halo = cairo_pattern_create_radial(0, 0, 4, 0, 0, 36);
                double red = ((style->colour >> 16) & 0xff) / 255.0, green = ((style->colour >> 8) & 0xff) / 255.0;

                cairo_pattern_add_color_stop_rgba(halo, 0, red, green, (style->colour & 0xff) / 255.0, 0.42);
                cairo_pattern_add_color_stop_rgba(halo, 1, red, green, (style->colour & 0xff) / 255.0, 0);
                cairo_set_source(cr, halo);
                cairo_paint(cr);
                cairo_pattern_destroy(halo);
        }
        draw_colour(cr, is_lit ? style->colour : COLOUR_DIM, is_lit ? 1 : 0.75);
        style->draw(cr);
        cairo_restore(cr);
}

void telltale_draw_panel(cairo_t *cr, const struct car *car)
{
        static const struct lamp_style styles[] = {
                { LAMP_BELT, COLOUR_RED, belt },       { LAMP_OIL, COLOUR_RED, oil },
                { LAMP_BRAKE, COLOUR_RED, brake },     { LAMP_BATTERY, COLOUR_RED, battery },
                { LAMP_ENGINE, COLOUR_AMBER, engine },
        };

        cairo_save(cr);
        cairo_rectangle(cr, 0, 0, PANEL_WIDTH, PANEL_HEIGHT);
        cairo_clip(cr);
        draw_colour(cr, COLOUR_GROUND, 1);
        cairo_paint(cr);
        draw_rounded(cr, 1, 1, PANEL_WIDTH - 2, PANEL_HEIGHT - 2, 18);
        draw_colour(cr, 0x0d141b, 1);
        cairo_fill_preserve(cr);
        draw_colour(cr, COLOUR_EDGE, 1);
        cairo_set_line_width(cr, 1.5);
        cairo_stroke(cr);
        for (int i = 0; i < 5; i++)
                draw_lamp(cr, 44 + i * 74, PANEL_HEIGHT / 2.0, &styles[i], car->lamps[styles[i].lamp]);
        cairo_restore(cr);
}

static void arrow_left(cairo_t *cr) { arrow(cr, -1); }

static void arrow_right(cairo_t *cr) { arrow(cr, 1); }

void telltale_draw_place(cairo_t *cr, int place, const struct car *car)
{
        static const struct lamp_style styles[] = {
                { LAMP_LEFT, COLOUR_GREEN, arrow_left },
                { LAMP_RIGHT, COLOUR_GREEN, arrow_right },
                { LAMP_BEAM, COLOUR_BLUE, beam },
        };
        const cairo_rectangle_int_t *r = &telltale_places[place];

        cairo_save(cr);
        cairo_rectangle(cr, r->x, r->y, r->width, r->height);
        cairo_clip(cr);
        draw_colour(cr, COLOUR_GROUND, 1);
        cairo_paint(cr);
        draw_lamp(cr, r->x + r->width / 2.0, r->y + r->height / 2.0, &styles[place], car->lamps[styles[place].lamp]);
        cairo_restore(cr);
}
