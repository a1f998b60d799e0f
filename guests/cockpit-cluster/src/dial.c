/* SPDX-License-Identifier: MPL-2.0 */
/* See dial.h. Radii are parts of the dial's. */
#include "dial.h"

#include <math.h>
#include <stdio.h>

#include "draw.h"

#define ANGLE_FIRST (0.75 * M_PI) /* at the lower left, clockwise to the lower right */
#define ANGLE_SWEEP (1.5 * M_PI)
#define RING_OUTER 0.955
#define RING_INNER 0.885
#define NEEDLE_OUTER 0.975
#define NEEDLE_INNER 0.600
#define MARGIN 9 /* of the needle's glow, pixels */

static double angle_of(const struct dial_style *s, double value)
{
        return ANGLE_FIRST + ANGLE_SWEEP * (fmin(fmax(value, s->least), s->most) - s->least) / (s->most - s->least);
}

static void ray(cairo_t *cr, const struct dial_style *s, double angle, double inner, double outer)
{
        cairo_move_to(cr, s->x + cos(angle) * inner * s->radius, s->y + sin(angle) * inner * s->radius);
        cairo_line_to(cr, s->x + cos(angle) * outer * s->radius, s->y + sin(angle) * outer * s->radius);
}

static void draw_face(cairo_t *cr, const struct dial_style *s)
{
        cairo_pattern_t *face =
                cairo_pattern_create_radial(s->x, s->y - 0.4 * s->radius, 0, s->x, s->y, s->radius * 1.05);

        cairo_pattern_add_color_stop_rgb(face, 0, 0.105, 0.145, 0.190);
        cairo_pattern_add_color_stop_rgb(face, 0.75, 0.055, 0.080, 0.108);
        cairo_pattern_add_color_stop_rgb(face, 1, 0.027, 0.043, 0.062);
        cairo_arc(cr, s->x, s->y, s->radius * 1.02, 0, 2 * M_PI);
        cairo_set_source(cr, face);
        cairo_fill_preserve(cr);
        cairo_pattern_destroy(face);
        draw_colour(cr, COLOUR_EDGE, 1);
        cairo_set_line_width(cr, 2);
        cairo_stroke(cr);
        cairo_arc(cr, s->x, s->y, s->radius * 0.54, 0, 2 * M_PI);
        draw_colour(cr, 0x0a1016, 1);
        cairo_fill_preserve(cr);
        draw_colour(cr, COLOUR_EDGE, 0.8);
        cairo_set_line_width(cr, 1.5);
        cairo_stroke(cr);
}

static void draw_numbers(cairo_t *cr, const struct dial_style *s)
{
        int n = (int) lround((s->most - s->least) / s->step * s->marks);

        for (int i = 0; i <= n; i++) {
                double value = s->least + s->step * i / s->marks, angle = angle_of(s, value);
                int is_number = i % s->marks == 0, is_red = value >= s->red_from;
                char text[16];

                ray(cr, s, angle, is_number ? 0.80 : 0.835, 0.865);
                draw_colour(cr, is_red ? COLOUR_RED : is_number ? COLOUR_TEXT : COLOUR_FAINT, is_number ? 1 : 0.7);
                cairo_set_line_width(cr, is_number ? 3.5 : 1.6);
                cairo_stroke(cr);
                if (!is_number)
                        continue;
                (void) snprintf(text, sizeof(text), "%.0f", value / s->number_scale);
                draw_colour(cr, is_red ? COLOUR_RED : COLOUR_TEXT, 0.92);
                draw_text(cr, WEIGHT_MEDIUM, s->radius * 0.095, s->x + cos(angle) * s->radius * 0.695,
                          s->y + sin(angle) * s->radius * 0.695 + s->radius * 0.034, ALIGN_CENTRE, text);
        }
}

static void draw_track(cairo_t *cr, const struct dial_style *s)
{
        double middle = (RING_INNER + RING_OUTER) / 2 * s->radius;

        cairo_set_line_width(cr, (RING_OUTER - RING_INNER) * s->radius);
        cairo_arc(cr, s->x, s->y, middle, ANGLE_FIRST, ANGLE_FIRST + ANGLE_SWEEP);
        draw_colour(cr, 0x1a2530, 1);
        cairo_stroke(cr);
        if (s->red_from < s->most) {
                cairo_arc(cr, s->x, s->y, middle, angle_of(s, s->red_from), ANGLE_FIRST + ANGLE_SWEEP);
                draw_colour(cr, 0x5a1c20, 1);
                cairo_stroke(cr);
        }
}

/* The ring in its full light: from deep blue to cyan, then white or red. */
static void draw_light(cairo_t *cr, const struct dial_style *s)
{
        double middle = (RING_INNER + RING_OUTER) / 2 * s->radius;
        int n = 270;

        draw_colour(cr, COLOUR_BLUE, 0.16);
        cairo_set_line_width(cr, (RING_OUTER - RING_INNER) * s->radius + 10);
        cairo_arc(cr, s->x, s->y, middle, ANGLE_FIRST, angle_of(s, fmin(s->red_from, s->most)));
        cairo_stroke(cr);
        cairo_set_line_width(cr, (RING_OUTER - RING_INNER) * s->radius);
        for (int i = 0; i < n; i++) {
                double part = (double) i / n, a = ANGLE_FIRST + ANGLE_SWEEP * part, b = a + ANGLE_SWEEP * 1.6 / n;
                int is_red = s->least + (s->most - s->least) * part >= s->red_from;

                if (b > ANGLE_FIRST + ANGLE_SWEEP)
                        b = ANGLE_FIRST + ANGLE_SWEEP;
                if (is_red)
                        draw_colour(cr, COLOUR_RED, 1);
                else
                        cairo_set_source_rgb(cr, 0.06 + 0.36 * part, 0.34 + 0.60 * part, 0.93 + 0.07 * part);
                cairo_arc(cr, s->x, s->y, middle, a, b);
                cairo_stroke(cr);
        }
}

void dial_init(struct dial *dial, const struct dial_style *style, cairo_surface_t *dark, cairo_surface_t *lit)
{
        cairo_surface_t *const both[] = { dark, lit };

        for (int i = 0; i < 2; i++) {
                cairo_t *cr = cairo_create(both[i]);

                draw_face(cr, style);
                draw_track(cr, style);
                if (i == 1)
                        draw_light(cr, style);
                draw_numbers(cr, style);
                cairo_destroy(cr);
        }
        *dial = (struct dial) { .style = style, .value = style->least, .dark = dark, .lit = lit };
}

static void draw_needle(cairo_t *cr, const struct dial_style *s, double angle)
{
        double dx = cos(angle), dy = sin(angle), inner = NEEDLE_INNER * s->radius, outer = NEEDLE_OUTER * s->radius;

        for (int glow = 1; glow >= 0; glow--) {
                double wide = glow ? 8 : 4.2, narrow = glow ? 5 : 1.4;

                cairo_move_to(cr, s->x + dx * inner - dy * wide, s->y + dy * inner + dx * wide);
                cairo_line_to(cr, s->x + dx * outer - dy * narrow, s->y + dy * outer + dx * narrow);
                cairo_line_to(cr, s->x + dx * outer + dy * narrow, s->y + dy * outer - dx * narrow);
                cairo_line_to(cr, s->x + dx * inner + dy * wide, s->y + dy * inner - dx * wide);
                cairo_close_path(cr);
                draw_colour(cr, glow ? COLOUR_WARM : 0xfff1ea, glow ? 0.45 : 1);
                cairo_fill(cr);
        }
}

/* The screen's rectangle that the needle covers on its way from one angle to another. */
static void swept(const struct dial_style *s, double from, double to, cairo_rectangle_int_t *ret)
{
        double left = INFINITY, top = INFINITY, right = -INFINITY, bottom = -INFINITY;
        int n = 1 + (int) (fabs(to - from) / 0.15);

        for (int i = 0; i <= n; i++) {
                double angle = from + (to - from) * i / n;

                for (int end = 0; end < 2; end++) {
                        double r = s->radius * (end ? NEEDLE_OUTER : NEEDLE_INNER);

                        left = fmin(left, s->x + cos(angle) * r);
                        right = fmax(right, s->x + cos(angle) * r);
                        top = fmin(top, s->y + sin(angle) * r);
                        bottom = fmax(bottom, s->y + sin(angle) * r);
                }
        }
        ret->x = (int) floor(left) - MARGIN;
        ret->y = (int) floor(top) - MARGIN;
        ret->width = (int) ceil(right) + MARGIN - ret->x;
        ret->height = (int) ceil(bottom) + MARGIN - ret->y;
}

void dial_draw(struct dial *dial, cairo_t *cr, double value, cairo_rectangle_int_t *ret_damage)
{
        const struct dial_style *s = dial->style;
        double angle = angle_of(s, value);

        swept(s, angle_of(s, dial->value), angle, ret_damage);
        dial->value = value;
        cairo_save(cr);
        cairo_rectangle(cr, ret_damage->x, ret_damage->y, ret_damage->width, ret_damage->height);
        cairo_clip(cr);
        cairo_set_source_surface(cr, dial->dark, 0, 0);
        cairo_paint(cr);
        cairo_move_to(cr, s->x, s->y);
        cairo_arc(cr, s->x, s->y, s->radius * 1.1, ANGLE_FIRST - 0.01, angle);
        cairo_close_path(cr);
        cairo_set_source_surface(cr, dial->lit, 0, 0);
        cairo_fill(cr);
        draw_needle(cr, s, angle);
        cairo_restore(cr);
}
