/* SPDX-License-Identifier: MPL-2.0 */
/* See draw.h. The fonts stay loaded for the life of the program. */
#include "draw.h"

#include <cairo-ft.h>
#include <math.h>
#include <stdio.h>

#define FONT_FOLDER "/usr/share/fonts/truetype/roboto/unhinted/RobotoTTF/"

static cairo_font_face_t *faces[N_WEIGHTS];

bool draw_init(void)
{
        static const char *const names[N_WEIGHTS] = {
                [WEIGHT_LIGHT] = "Roboto-Light.ttf",
                [WEIGHT_REGULAR] = "Roboto-Regular.ttf",
                [WEIGHT_MEDIUM] = "Roboto-Medium.ttf",
                [WEIGHT_BOLD] = "Roboto-Bold.ttf",
        };
        FT_Library library;

        if (FT_Init_FreeType(&library) != 0)
                return false;
        for (int i = 0; i < N_WEIGHTS; i++) {
                char path[256];
                FT_Face face;

                (void) snprintf(path, sizeof(path), FONT_FOLDER "%s", names[i]);
                if (FT_New_Face(library, path, 0, &face) != 0) {
                        (void) fprintf(stderr, "cannot read the font %s\n", path);
                        return false;
                }
                faces[i] = cairo_ft_font_face_create_for_ft_face(face, FT_LOAD_NO_HINTING);
        }
        return true;
}

void draw_colour(cairo_t *cr, uint32_t rgb, double alpha)
{
        cairo_set_source_rgba(cr, ((rgb >> 16) & 0xff) / 255.0, ((rgb >> 8) & 0xff) / 255.0, (rgb & 0xff) / 255.0,
                              alpha);
}

void draw_text(cairo_t *cr, enum weight weight, double size, double x, double y, enum align align, const char *text)
{
        cairo_text_extents_t extents;

        cairo_set_font_face(cr, faces[weight]);
        cairo_set_font_size(cr, size);
        cairo_text_extents(cr, text, &extents);
        if (align == ALIGN_CENTRE)
                x -= extents.x_advance / 2;
        else if (align == ALIGN_RIGHT)
                x -= extents.x_advance;
        /* Whole pixels: the same glyph then comes from cairo's cache. */
        cairo_move_to(cr, round(x), round(y));
        cairo_show_text(cr, text);
        cairo_new_path(cr); /* the text's end would be the start of a line */
}

void draw_rounded(cairo_t *cr, double x, double y, double w, double h, double radius)
{
        cairo_new_sub_path(cr);
        cairo_arc(cr, x + w - radius, y + radius, radius, -M_PI_2, 0);
        cairo_arc(cr, x + w - radius, y + h - radius, radius, 0, M_PI_2);
        cairo_arc(cr, x + radius, y + h - radius, radius, M_PI_2, M_PI);
        cairo_arc(cr, x + radius, y + radius, radius, M_PI, 3 * M_PI_2);
        cairo_close_path(cr);
}
