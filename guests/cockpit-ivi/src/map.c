/* SPDX-License-Identifier: MPL-2.0 */
/* See map.h. The town does not exist. */
#include "map.h"

#include <math.h>
#include <stdio.h>

#include "draw.h"

#define WORLD_WIDTH 1000
#define WORLD_HEIGHT 860
#define CAR_PIXELS_PER_S 21
#define CAR_BOX 26

struct point {
        short x, y;
};

/* The way to the harbour; its roads are among the town's. */
static const struct point route[] = { { 196, 640 }, { 330, 606 }, { 318, 556 }, { 452, 522 }, { 430, 436 },
                                      { 560, 402 }, { 540, 322 }, { 668, 290 }, { 640, 176 } };
#define N_ROUTE (sizeof(route) / sizeof(*route))

static const struct {
        struct point from, to;
        const char *name;
} main_roads[] = {
        { { -20, 694 }, { 1020, 432 }, "Mill Road" },   { { 365, 880 }, { 232, -20 }, NULL },
        { { 598, 880 }, { 596, -20 }, NULL },           { { -20, 325 }, { 1020, 64 }, "Harbour Street" },
        { { 900, 880 }, { 740, -20 }, "Eastern Ring" },
};

static void draw_water(cairo_t *cr)
{
        cairo_move_to(cr, -20, 92);
        cairo_curve_to(cr, 180, 30, 300, 190, 470, 118);
        cairo_curve_to(cr, 640, 52, 720, 96, 1020, -30);
        cairo_line_to(cr, -20, -30);
        cairo_close_path(cr);
        cairo_move_to(cr, 1020, 610);
        cairo_curve_to(cr, 900, 640, 820, 760, 840, 880);
        cairo_line_to(cr, 1020, 880);
        cairo_close_path(cr);
        draw_colour(cr, 0x123a56, 1);
        cairo_fill(cr);
}

static void draw_parks(cairo_t *cr)
{
        static const short parks[][4] = {
                { 640, 500, 150, 116 }, { 90, 420, 120, 96 }, { 420, 690, 120, 90 }, { 720, 190, 120, 84 }
        };

        for (unsigned i = 0; i < sizeof(parks) / sizeof(*parks); i++) {
                cairo_save(cr);
                cairo_translate(cr, parks[i][0], parks[i][1]);
                cairo_rotate(cr, -0.25);
                draw_rounded(cr, 0, 0, parks[i][2], parks[i][3], 22);
                draw_colour(cr, 0x16382c, 1);
                cairo_fill(cr);
                for (int t = 0; t < 9; t++) {
                        cairo_arc(cr, 20 + t * 41 % (parks[i][2] - 36), 20 + t * 29 % (parks[i][3] - 36), 7, 0,
                                  2 * M_PI);
                        draw_colour(cr, 0x1f4d3b, 1);
                        cairo_fill(cr);
                }
                cairo_restore(cr);
        }
}

/* A grid of streets that leans, with houses between them; some streets end early. */
static void draw_streets(cairo_t *cr)
{
        unsigned dice = 7;

        cairo_save(cr);
        cairo_translate(cr, 500, 430);
        cairo_rotate(cr, -0.25);
        for (int row = -9; row <= 9; row++) {
                for (int column = -9; column <= 9; column++) {
                        double x = column * 68, y = row * 52;

                        dice = dice * 1103515245u + 12345u;
                        if ((dice >> 16) % 5 == 0)
                                continue;
                        draw_rounded(cr, x + 9, y + 9, 22 + (int) (dice >> 20) % 20, 18 + (int) (dice >> 24) % 14, 4);
                        draw_colour(cr, (dice >> 18) % 2 ? 0x1b2834 : 0x17232e, 1);
                        cairo_fill(cr);
                }
        }
        cairo_set_line_width(cr, 4.5);
        cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
        draw_colour(cr, 0x263645, 1);
        for (int i = -9; i <= 9; i++) {
                dice = dice * 1103515245u + 12345u;
                cairo_move_to(cr, -640 + (int) (dice >> 16) % 240, i * 52 + 4);
                cairo_line_to(cr, 640 - (int) (dice >> 22) % 240, i * 52 + 4);
                cairo_move_to(cr, i * 68 + 4, -480 + (int) (dice >> 18) % 200);
                cairo_line_to(cr, i * 68 + 4, 480 - (int) (dice >> 24) % 200);
        }
        cairo_stroke(cr);
        cairo_restore(cr);
}

static void draw_main_roads(cairo_t *cr)
{
        cairo_set_line_cap(cr, CAIRO_LINE_CAP_BUTT);
        for (int layer = 0; layer < 2; layer++) {
                for (unsigned i = 0; i < sizeof(main_roads) / sizeof(*main_roads); i++) {
                        cairo_move_to(cr, main_roads[i].from.x, main_roads[i].from.y);
                        cairo_line_to(cr, main_roads[i].to.x, main_roads[i].to.y);
                }
                cairo_set_line_width(cr, layer ? 9 : 13);
                draw_colour(cr, layer ? 0x3a4e60 : 0x0b1219, 1);
                cairo_stroke(cr);
        }
        for (unsigned i = 0; i < sizeof(main_roads) / sizeof(*main_roads); i++) {
                double dx = main_roads[i].to.x - main_roads[i].from.x, dy = main_roads[i].to.y - main_roads[i].from.y;

                if (!main_roads[i].name)
                        continue;
                cairo_save(cr);
                cairo_translate(cr, main_roads[i].from.x + dx * 0.68, main_roads[i].from.y + dy * 0.68);
                cairo_rotate(cr, dy < 0 && fabs(dx) < fabs(dy) ? atan2(dy, dx) + M_PI : atan2(dy, dx));
                draw_colour(cr, 0x93a7b8, 1);
                draw_text(cr, WEIGHT_REGULAR, 15, 0, -10, ALIGN_CENTRE, main_roads[i].name);
                cairo_restore(cr);
        }
}

static void draw_route(cairo_t *cr)
{
        cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
        cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
        for (int layer = 0; layer < 3; layer++) {
                for (unsigned i = 0; i < N_ROUTE; i++)
                        cairo_line_to(cr, route[i].x, route[i].y);
                cairo_set_line_width(cr, layer == 0 ? 19 : layer == 1 ? 10 : 7);
                draw_colour(cr, layer == 1 ? 0x0d5fa0 : COLOUR_ACCENT, layer == 0 ? 0.18 : 1);
                cairo_stroke(cr);
        }
        cairo_arc(cr, route[N_ROUTE - 1].x, route[N_ROUTE - 1].y, 9, 0, 2 * M_PI);
        draw_colour(cr, COLOUR_TEXT, 1);
        cairo_fill_preserve(cr);
        cairo_set_line_width(cr, 4);
        draw_colour(cr, COLOUR_ACCENT, 1);
        cairo_stroke(cr);
}

void map_init(struct map *map, int width, int height)
{
        cairo_rectangle_int_t ignored;
        cairo_t *cr;

        *map = (struct map) { .width = width, .height = height, .left = 120, .top = 200 };
        map->world = cairo_image_surface_create(CAIRO_FORMAT_RGB24, WORLD_WIDTH, WORLD_HEIGHT);
        cr = cairo_create(map->world);
        draw_colour(cr, 0x0f171f, 1);
        cairo_paint(cr);
        draw_streets(cr);
        draw_parks(cr);
        draw_water(cr);
        draw_main_roads(cr);
        draw_route(cr);
        draw_colour(cr, 0x5f8fb3, 1);
        draw_text(cr, WEIGHT_REGULAR, 20, 520, 62, ALIGN_CENTRE, "Inner Harbour");
        draw_colour(cr, 0x7f93a4, 1);
        draw_text(cr, WEIGHT_MEDIUM, 19, 520, 470, ALIGN_CENTRE, "OLD TOWN");
        draw_text(cr, WEIGHT_MEDIUM, 19, 730, 370, ALIGN_CENTRE, "EASTGATE");
        cairo_destroy(cr);
        map_drive(map, 0, &ignored);
}

static void draw_banner(cairo_t *cr)
{
        draw_rounded(cr, 18, 18, 330, 84, 18);
        draw_colour(cr, 0x0b1219, 0.92);
        cairo_fill_preserve(cr);
        cairo_set_line_width(cr, 1.5);
        draw_colour(cr, COLOUR_EDGE, 1);
        cairo_stroke(cr);
        draw_rounded(cr, 30, 30, 60, 60, 14);
        draw_colour(cr, COLOUR_ACCENT, 1);
        cairo_fill(cr);
        cairo_set_line_width(cr, 6);
        cairo_set_line_join(cr, CAIRO_LINE_JOIN_MITER);
        draw_colour(cr, 0x06121c, 1);
        cairo_move_to(cr, 50, 78);
        cairo_line_to(cr, 50, 56);
        cairo_line_to(cr, 66, 56);
        cairo_stroke(cr);
        cairo_move_to(cr, 64, 44);
        cairo_line_to(cr, 78, 56);
        cairo_line_to(cr, 64, 68);
        cairo_close_path(cr);
        cairo_fill(cr);
        draw_colour(cr, COLOUR_TEXT, 1);
        draw_text(cr, WEIGHT_MEDIUM, 28, 108, 58, ALIGN_LEFT, "350 m");
        draw_colour(cr, COLOUR_FAINT, 1);
        draw_text(cr, WEIGHT_REGULAR, 19, 108, 84, ALIGN_LEFT, "then Harbour Street");
}

static void draw_car(const struct map *map, cairo_t *cr)
{
        cairo_save(cr);
        cairo_translate(cr, map->car_x - map->left, map->car_y - map->top);
        cairo_arc(cr, 0, 0, 22, 0, 2 * M_PI);
        draw_colour(cr, COLOUR_ACCENT, 0.25);
        cairo_fill(cr);
        cairo_rotate(cr, map->car_angle);
        cairo_move_to(cr, 17, 0);
        cairo_line_to(cr, -11, -11);
        cairo_line_to(cr, -5, 0);
        cairo_line_to(cr, -11, 11);
        cairo_close_path(cr);
        draw_colour(cr, 0xffffff, 1);
        cairo_fill_preserve(cr);
        cairo_set_line_width(cr, 2);
        draw_colour(cr, 0x0d5fa0, 1);
        cairo_stroke(cr);
        cairo_restore(cr);
}

static void draw_pin(const struct map *map, cairo_t *cr)
{
        double x = map->pin_x - map->left, y = map->pin_y - map->top;

        cairo_new_sub_path(cr);
        cairo_arc(cr, x, y - 30, 16, M_PI - 0.45, 2 * M_PI + 0.45);
        cairo_line_to(cr, x, y);
        cairo_close_path(cr);
        draw_colour(cr, COLOUR_WARM, 1);
        cairo_fill(cr);
        cairo_arc(cr, x, y - 30, 6.5, 0, 2 * M_PI);
        draw_colour(cr, 0xffffff, 1);
        cairo_fill(cr);
        draw_rounded(cr, x - 76, y - 98, 152, 42, 12);
        draw_colour(cr, 0x0b1219, 0.92);
        cairo_fill(cr);
        draw_colour(cr, COLOUR_TEXT, 1);
        draw_text(cr, WEIGHT_MEDIUM, 18, x, y - 71, ALIGN_CENTRE, "12 min · 3.4 km");
}

void map_draw(const struct map *map, cairo_t *cr)
{
        cairo_save(cr);
        cairo_rectangle(cr, 0, 0, map->width, map->height);
        cairo_clip(cr);
        cairo_set_source_surface(cr, map->world, -map->left, -map->top);
        cairo_paint(cr);
        if (map->has_pin)
                draw_pin(map, cr);
        draw_car(map, cr);
        draw_banner(cr);
        cairo_restore(cr);
}

static void place_car(struct map *map)
{
        double left = map->way;

        for (unsigned i = 0; i + 1 < N_ROUTE; i++) {
                double dx = route[i + 1].x - route[i].x, dy = route[i + 1].y - route[i].y, length = hypot(dx, dy);

                if (left <= length) {
                        map->car_x = route[i].x + dx * left / length;
                        map->car_y = route[i].y + dy * left / length;
                        map->car_angle = atan2(dy, dx);
                        return;
                }
                left -= length;
        }
        map->way = 0;
}

void map_drive(struct map *map, double seconds, cairo_rectangle_int_t *ret_damage)
{
        double x = map->car_x, y = map->car_y, left, top;

        map->way += seconds * CAR_PIXELS_PER_S;
        place_car(map);
        if (map->way == 0)
                place_car(map);
        left = fmin(x, map->car_x) - map->left - CAR_BOX;
        top = fmin(y, map->car_y) - map->top - CAR_BOX;
        *ret_damage = (cairo_rectangle_int_t) { (int) floor(left), (int) floor(top),
                                               (int) ceil(fabs(x - map->car_x)) + 2 * CAR_BOX + 1,
                                               (int) ceil(fabs(y - map->car_y)) + 2 * CAR_BOX + 1 };
        if (ret_damage->y + ret_damage->height > map->height)
                ret_damage->height = map->height - ret_damage->y;
}

void map_pan(struct map *map, double dx, double dy)
{
        map->left = round(fmin(fmax(map->left - dx, 0), WORLD_WIDTH - map->width));
        map->top = round(fmin(fmax(map->top - dy, 0), WORLD_HEIGHT - map->height));
}

void map_pin(struct map *map, double x, double y)
{
        map->has_pin = true;
        map->pin_x = x + map->left;
        map->pin_y = y + map->top;
}
