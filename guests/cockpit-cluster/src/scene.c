/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See scene.h. All that stays is drawn once on `dark`; a part that changes is copied from there and drawn over.
 */
#include "scene.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "draw.h"
#include "telltale.h"

static const struct dial_style speed_style = { 286, 348, 252, 0, 240, 20, 4, 1, 1000 };
static const struct dial_style engine_style = { 994, 348, 252, 0, 8000, 1000, 4, 1000, 6500 };

static const cairo_rectangle_int_t speed_digits = { 186, 278, 200, 150 };
static const cairo_rectangle_int_t engine_digits = { 894, 278, 200, 150 };
static const cairo_rectangle_int_t road = { 548, 210, 184, 340 };
static const cairo_rectangle_int_t fuel_bar = { 96, 650, 300, 34 };
static const cairo_rectangle_int_t whole_panel = { 0, 0, PANEL_WIDTH, PANEL_HEIGHT };
static const cairo_rectangle_int_t coolant_bar = { 884, 650, 300, 34 };

#define VANISH_Y 170.0 /* where the road meets the horizon */
#define MARK_EVERY_M 7.0

/* Restores what stays, within a rectangle that then limits drawing until cairo_restore(). */
static void begin(struct scene *scene, const cairo_rectangle_int_t *r)
{
        cairo_save(scene->cr);
        cairo_rectangle(scene->cr, r->x, r->y, r->width, r->height);
        cairo_clip(scene->cr);
        cairo_set_source_surface(scene->cr, scene->dark, 0, 0);
        cairo_paint(scene->cr);
}

static void draw_speed(struct scene *scene, const struct car *car)
{
        char text[16];

        begin(scene, &speed_digits);
        (void) snprintf(text, sizeof(text), "%.0f", car->speed_kmh);
        draw_colour(scene->cr, COLOUR_TEXT, 1);
        draw_text(scene->cr, WEIGHT_LIGHT, 104, speed_style.x, speed_style.y + 30, ALIGN_CENTRE, text);
        draw_colour(scene->cr, COLOUR_FAINT, 1);
        draw_text(scene->cr, WEIGHT_REGULAR, 22, speed_style.x, speed_style.y + 66, ALIGN_CENTRE, "km/h");
        cairo_restore(scene->cr);
}

static void draw_gear(struct scene *scene, const struct car *car)
{
        char text[16] = { car->gear };

        begin(scene, &engine_digits);
        draw_colour(scene->cr, car->gear == 'P' || car->gear == 'R' ? COLOUR_AMBER : COLOUR_TEXT, 1);
        draw_text(scene->cr, WEIGHT_LIGHT, 104, engine_style.x, engine_style.y + 30, ALIGN_CENTRE, text);
        (void) snprintf(text, sizeof(text), "%.0f rpm", round(car->engine_rpm / 10) * 10);
        draw_colour(scene->cr, COLOUR_FAINT, 1);
        draw_text(scene->cr, WEIGHT_REGULAR, 22, engine_style.x, engine_style.y + 66, ALIGN_CENTRE, text);
        cairo_restore(scene->cr);
}

/* A lane's edge: @x is its distance from the middle at the road's lower end. */
static double edge_at(double x, double y) { return 640 + x * (y - VANISH_Y) / (road.y + road.height - VANISH_Y); }

/* A line along the road from one distance to the other; distances are those of perspective: y = horizon + 1 / m. */
static void stripe(cairo_t *cr, double x, double near_y, double far_y, double half_width)
{
        double near_w = half_width * (near_y - VANISH_Y) / 380, far_w = half_width * (far_y - VANISH_Y) / 380;

        cairo_move_to(cr, edge_at(x, near_y) - near_w, near_y);
        cairo_line_to(cr, edge_at(x, far_y) - far_w, far_y);
        cairo_line_to(cr, edge_at(x, far_y) + far_w, far_y);
        cairo_line_to(cr, edge_at(x, near_y) + near_w, near_y);
        cairo_close_path(cr);
}

static double y_of(double distance_m) { return VANISH_Y + 380 * 4 / (distance_m + 4); }

static void draw_car(cairo_t *cr)
{
        const double x = 640, y = 500;

        draw_rounded(cr, x - 30, y - 22, 60, 44, 11);
        draw_colour(cr, 0xc9d6e0, 1);
        cairo_fill(cr);
        cairo_move_to(cr, x - 22, y - 20);
        cairo_line_to(cr, x - 15, y - 42);
        cairo_line_to(cr, x + 15, y - 42);
        cairo_line_to(cr, x + 22, y - 20);
        cairo_close_path(cr);
        draw_colour(cr, 0xaab9c5, 1);
        cairo_fill(cr);
        cairo_move_to(cr, x - 17, y - 21);
        cairo_line_to(cr, x - 12, y - 37);
        cairo_line_to(cr, x + 12, y - 37);
        cairo_line_to(cr, x + 17, y - 21);
        cairo_close_path(cr);
        draw_colour(cr, 0x14202b, 1);
        cairo_fill(cr);
        for (int side = -1; side <= 1; side += 2) {
                draw_rounded(cr, x + side * 20 - 7, y - 12, 14, 7, 3);
                draw_colour(cr, COLOUR_RED, 0.95);
                cairo_fill(cr);
                draw_rounded(cr, x + side * 21 - 6, y + 19, 12, 10, 3);
                draw_colour(cr, 0x05080b, 1);
                cairo_fill(cr);
        }
        draw_rounded(cr, x - 12, y + 2, 24, 8, 2);
        draw_colour(cr, 0x6f8190, 1);
        cairo_fill(cr);
}

static void draw_road(struct scene *scene)
{
        double phase = fmod(scene->way_m, MARK_EVERY_M);
        cairo_t *cr = scene->cr;

        begin(scene, &road);
        draw_colour(cr, 0xd5e2ec, 0.8);
        for (double at = -phase; at < 60; at += MARK_EVERY_M) {
                double near_y = y_of(fmax(at, 0)), far_y = y_of(at + MARK_EVERY_M * 0.45);

                if (at + MARK_EVERY_M * 0.45 <= 0)
                        continue;
                stripe(cr, -60, near_y, far_y, 2.8);
                stripe(cr, 60, near_y, far_y, 2.8);
        }
        cairo_fill(cr);
        draw_car(cr);
        cairo_restore(cr);
}

static void draw_bar(struct scene *scene, const cairo_rectangle_int_t *r, double part, uint32_t colour)
{
        begin(scene, r);
        draw_rounded(scene->cr, r->x + 34, r->y + 12, fmax((r->width - 68) * part, 10), 10, 5);
        draw_colour(scene->cr, colour, 1);
        cairo_fill(scene->cr);
        cairo_restore(scene->cr);
}

/* What stays of a bar: its track and the letters at its ends. */
static void draw_bar_ground(cairo_t *cr, const cairo_rectangle_int_t *r, const char *name, const char *low,
                            const char *high)
{
        draw_rounded(cr, r->x + 34, r->y + 12, r->width - 68, 10, 5);
        draw_colour(cr, 0x1a2530, 1);
        cairo_fill(cr);
        draw_colour(cr, COLOUR_FAINT, 1);
        draw_text(cr, WEIGHT_MEDIUM, 17, r->x + 22, r->y + 23, ALIGN_RIGHT, low);
        draw_text(cr, WEIGHT_MEDIUM, 17, r->x + r->width - 22, r->y + 23, ALIGN_LEFT, high);
        draw_text(cr, WEIGHT_REGULAR, 15, r->x + r->width / 2.0, r->y + 48, ALIGN_CENTRE, name);
}

static void draw_road_ground(cairo_t *cr)
{
        cairo_pattern_t *asphalt = cairo_pattern_create_linear(0, road.y, 0, road.y + road.height);

        cairo_pattern_add_color_stop_rgba(asphalt, 0, 0.10, 0.15, 0.20, 0);
        cairo_pattern_add_color_stop_rgba(asphalt, 0.55, 0.10, 0.15, 0.20, 0.8);
        cairo_pattern_add_color_stop_rgba(asphalt, 0.9, 0.08, 0.12, 0.16, 0.9);
        cairo_pattern_add_color_stop_rgba(asphalt, 1, 0.08, 0.12, 0.16, 0);
        cairo_rectangle(cr, road.x, road.y, road.width, road.height);
        cairo_clip(cr);
        cairo_move_to(cr, edge_at(-90, road.y), road.y);
        cairo_line_to(cr, edge_at(90, road.y), road.y);
        cairo_line_to(cr, edge_at(90, road.y + road.height), road.y + road.height);
        cairo_line_to(cr, edge_at(-90, road.y + road.height), road.y + road.height);
        cairo_close_path(cr);
        cairo_set_source(cr, asphalt);
        cairo_fill(cr);
        cairo_pattern_destroy(asphalt);
        cairo_reset_clip(cr);
}

static void draw_limit(cairo_t *cr, double x, double y)
{
        cairo_arc(cr, x, y, 27, 0, 2 * M_PI);
        draw_colour(cr, 0xf4f7f9, 1);
        cairo_fill_preserve(cr);
        cairo_set_line_width(cr, 6);
        draw_colour(cr, 0xe0262b, 1);
        cairo_stroke(cr);
        draw_colour(cr, 0x11161b, 1);
        draw_text(cr, WEIGHT_BOLD, 24, x, y + 9, ALIGN_CENTRE, "120");
}

static void draw_ground(cairo_surface_t *surface)
{
        cairo_t *cr = cairo_create(surface);

        draw_colour(cr, COLOUR_GROUND, 1);
        cairo_paint(cr);
        draw_road_ground(cr);
        draw_limit(cr, 640, 158);
        draw_bar_ground(cr, &fuel_bar, "fuel", "E", "F");
        draw_bar_ground(cr, &coolant_bar, "coolant", "C", "H");
        draw_colour(cr, COLOUR_FAINT, 1);
        draw_text(cr, WEIGHT_REGULAR, 22, 60, 52, ALIGN_LEFT, "10:42");
        draw_text(cr, WEIGHT_REGULAR, 22, 1220, 52, ALIGN_RIGHT, "21 °C");
        draw_text(cr, WEIGHT_REGULAR, 18, 640, 588, ALIGN_CENTRE, "trip 128.4 km");
        cairo_destroy(cr);
}

void scene_init(struct scene *scene, struct kms *kms, struct kms *panel)
{
        cairo_rectangle_int_t all = { 0, 0, (int) kms->width, (int) kms->height };
        cairo_t *whole;

        *scene = (struct scene) {
                .kms = kms, .panel = panel, .cr = cairo_create(kms->surface), .panel_cr = cairo_create(panel->surface)
        };
        scene->dark = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 1280, 720);
        scene->lit = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 1280, 720);
        draw_ground(scene->dark);
        draw_ground(scene->lit);
        dial_init(&scene->speed, &speed_style, scene->dark, scene->lit);
        dial_init(&scene->engine, &engine_style, scene->dark, scene->lit);
        /* The dials' faces are over the arrows' ground, which each lamp draws itself. */
        whole = cairo_create(kms->surface);
        cairo_set_source_surface(whole, scene->dark, 0, 0);
        cairo_paint(whole);
        cairo_destroy(whole);
        for (int i = 0; i < 3; i++)
                telltale_draw_place(scene->cr, i, &scene->shown);
        telltale_draw_panel(scene->panel_cr, &scene->shown);
        draw_bar(scene, &fuel_bar, 0, COLOUR_ACCENT);
        draw_bar(scene, &coolant_bar, 0, COLOUR_ACCENT);
        draw_road(scene);
        kms_take(kms, &all);
        kms_show(kms);
        kms_take(panel, &whole_panel);
        kms_show(panel);
}

static void update_lamps(struct scene *scene, const struct car *car)
{
        static const enum lamp lamps[] = { LAMP_LEFT, LAMP_RIGHT, LAMP_BEAM };
        bool is_same = true;

        for (int i = 0; i < 3; i++) {
                if (car->lamps[lamps[i]] == scene->shown.lamps[lamps[i]])
                        continue;
                telltale_draw_place(scene->cr, i, car);
                kms_take(scene->kms, &telltale_places[i]);
        }
        if (!scene->is_frozen) {
                for (int i = LAMP_BRAKE; i < N_LAMPS; i++)
                        is_same = is_same && car->lamps[i] == scene->shown.lamps[i];
                if (!is_same)
                        telltale_draw_panel(scene->panel_cr, car);
                /* Shown again in any case: that is how the guard knows that somebody still looks after it. */
                kms_take(scene->panel, &whole_panel);
                kms_show(scene->panel);
                memcpy(scene->shown.lamps, car->lamps, sizeof(car->lamps));
        } else {
                memcpy(scene->shown.lamps, car->lamps, sizeof(car->lamps[0]) * LAMP_BRAKE);
        }
}

static void update_dial(struct scene *scene, struct dial *dial, double value, const cairo_rectangle_int_t *digits,
                        void (*draw_digits)(struct scene *scene, const struct car *car), const struct car *car)
{
        cairo_rectangle_int_t damage;

        dial_draw(dial, scene->cr, value, &damage);
        draw_digits(scene, car); /* the needle's rectangle may have taken a corner of them */
        kms_take(scene->kms, &damage);
        kms_take(scene->kms, digits);
}

void scene_update(struct scene *scene, const struct car *car, double passed_s)
{
        update_lamps(scene, car);
        update_dial(scene, &scene->speed, car->speed_kmh, &speed_digits, draw_speed, car);
        update_dial(scene, &scene->engine, car->engine_rpm, &engine_digits, draw_gear, car);
        scene->way_m += car->speed_kmh / 3.6 * passed_s;
        draw_road(scene);
        kms_take(scene->kms, &road);
        if (fabs(car->fuel - scene->shown.fuel) > 0.004) {
                draw_bar(scene, &fuel_bar, car->fuel, car->fuel < 0.12 ? COLOUR_AMBER : COLOUR_ACCENT);
                kms_take(scene->kms, &fuel_bar);
                scene->shown.fuel = car->fuel;
        }
        if (fabs(car->coolant - scene->shown.coolant) > 0.004) {
                draw_bar(scene, &coolant_bar, car->coolant, car->coolant > 0.88 ? COLOUR_RED : COLOUR_ACCENT);
                kms_take(scene->kms, &coolant_bar);
                scene->shown.coolant = car->coolant;
        }
        kms_show(scene->kms);
}
