/* SPDX-License-Identifier: MPL-2.0 */
/* PNG files: images of fallbacks and covers, and screenshots. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct picture;

#define IMAGE_PIXELS_MAX (4096u * 4096u) /* of a file that is read */

/**
 * image_load() - read a file
 * @colour:    0xrrggbb behind what is transparent
 * @ret:       x8r8g8b8, owned by the caller
 * @ret_error: on failure what is wrong with the file, owned by the caller; NULL if there is no memory for it
 *
 * Return: 0; -EINVAL: not a PNG, damaged, or larger than IMAGE_PIXELS_MAX or SCENE_PIXELS_MAX; a negative errno.
 */
int image_load(const char *path, uint32_t colour, struct picture **ret, char **ret_error);

/* Fills an x8r8g8b8 picture with a colour, and with a file unless @path is NULL, stretched. Return: as image_load(). */
int image_fill(const char *path, uint32_t colour, struct picture *p, char **ret_error);

/* Encodes an x8r8g8b8 picture. @ret: owned by the caller (free()). Return: 0; -ENOMEM. */
int image_encode(const struct picture *p, uint8_t **ret, size_t *ret_n);
