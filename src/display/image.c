/* SPDX-License-Identifier: MPL-2.0 */
/* libpng's simplified interface: it checks sizes before anything is allocated, and needs no setjmp() here. */
#include "display/image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "base/rectangle.h"
#include "display/picture.h"
#include "display/placement.h"
#include "scene/scene.h"

#define FILE_BYTES_MAX (64u << 20)

static inline void png_image_freep(png_image *image) { png_image_free(image); }

static int fail(const char *path, const char *what, int error, char **ret_error)
{
        if (asprintf(ret_error, "image %s: %s", path, what) < 0)
                *ret_error = NULL;
        return error;
}

/* Three bytes a pixel to four. */
static void spread(const uint8_t *from, struct picture *p)
{
        for (uint32_t y = 0; y < p->height; y++) {
                uint32_t *row = (uint32_t *) (void *) (p->pixels + (size_t) y * p->stride_bytes);

                for (uint32_t x = 0; x < p->width; x++, from += 3)
                        row[x] = (uint32_t) from[0] << 16 | (uint32_t) from[1] << 8 | from[2];
        }
}

static void gather(const struct picture *p, uint8_t *to)
{
        for (uint32_t y = 0; y < p->height; y++) {
                const uint32_t *row = (const uint32_t *) (const void *) (p->pixels + (size_t) y * p->stride_bytes);

                for (uint32_t x = 0; x < p->width; x++, to += 3) {
                        to[0] = (uint8_t) (row[x] >> 16);
                        to[1] = (uint8_t) (row[x] >> 8);
                        to[2] = (uint8_t) row[x];
                }
        }
}

int image_load(const char *path, uint32_t colour, struct picture **ret, char **ret_error)
{
        auto_cleanup(png_image_freep) png_image image = { .version = PNG_IMAGE_VERSION };
        auto_cleanup(picture_unrefp) struct picture *p = NULL;
        auto_cleanup(freep) uint8_t *rgb = NULL;
        auto_cleanup(freep) char *text = NULL;
        png_color background = { .red = (png_byte) (colour >> 16),
                                 .green = (png_byte) (colour >> 8),
                                 .blue = (png_byte) colour };
        size_t n;
        int r;

        *ret_error = NULL;
        r = fd_read_file(path, FILE_BYTES_MAX, &text, &n);
        if (r < 0)
                return fail(path, strerror(-r), r, ret_error);
        if (!png_image_begin_read_from_memory(&image, text, n))
                return fail(path, image.message, -EINVAL, ret_error);
        if (image.width > SCENE_PIXELS_MAX || image.height > SCENE_PIXELS_MAX ||
            (uint64_t) image.width * image.height > IMAGE_PIXELS_MAX)
                return fail(path, "too large", -EINVAL, ret_error);
        image.format = PNG_FORMAT_RGB;
        rgb = malloc(PNG_IMAGE_SIZE(image));
        if (!rgb)
                return -ENOMEM;
        if (!png_image_finish_read(&image, &background, rgb, 0, NULL))
                return fail(path, image.message, -EINVAL, ret_error);
        r = picture_new(PIXMAN_x8r8g8b8, image.width, image.height, &p);
        if (r < 0)
                return r;
        spread(rgb, p);
        *ret = take_ptr(&p);
        return 0;
}

static void fill_colour(struct picture *p, uint32_t colour)
{
        (void) pixman_fill((uint32_t *) (void *) p->pixels, (int) (p->stride_bytes / 4), 32, 0, 0, (int) p->width,
                           (int) p->height, colour);
}

static int stretch(const struct picture *from, const struct picture *to)
{
        struct rectangle from_all = { 0, 0, from->width, from->height }, to_all = { 0, 0, to->width, to->height };
        pixman_image_t *source = picture_image(from, &from_all), *target = picture_image(to, &to_all);
        int r = source && target ? 0 : -ENOMEM;

        if (r == 0) {
                struct placement placement;

                placement_init(&placement, SCALING_STRETCH, &to_all, from->width, from->height);
                placement_scale_image(&placement, source);
                pixman_image_set_repeat(source, PIXMAN_REPEAT_PAD);
                pixman_image_composite32(PIXMAN_OP_SRC, source, NULL, target, 0, 0, 0, 0, 0, 0, (int) to->width,
                                         (int) to->height);
        }
        if (source)
                pixman_image_unref(source);
        if (target)
                pixman_image_unref(target);
        return r;
}

int image_fill(const char *path, uint32_t colour, struct picture *p, char **ret_error)
{
        auto_cleanup(picture_unrefp) struct picture *file = NULL;
        int r;

        *ret_error = NULL;
        fill_colour(p, colour);
        if (!path)
                return 0;
        r = image_load(path, colour, &file, ret_error);
        return r < 0 ? r : stretch(file, p);
}

int image_encode(const struct picture *p, uint8_t **ret, size_t *ret_n)
{
        png_image image = { .version = PNG_IMAGE_VERSION,
                            .width = p->width,
                            .height = p->height,
                            .format = PNG_FORMAT_RGB,
                            .flags = PNG_IMAGE_FLAG_FAST };
        auto_cleanup(freep) uint8_t *rgb = NULL, *png = NULL;
        png_alloc_size_t n = PNG_IMAGE_PNG_SIZE_MAX(image);

        rgb = malloc(PNG_IMAGE_SIZE(image));
        png = malloc(n);
        if (!rgb || !png)
                return -ENOMEM;
        gather(p, rgb);
        if (!png_image_write_to_memory(&image, png, &n, 0, rgb, 0, NULL))
                return -ENOMEM;
        *ret = take_ptr(&png);
        *ret_n = n;
        return 0;
}
