/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A picture whose pixels are known, made by what GL programs are made of. From the top left:
 *
 *      everything                         a clear: the background
 *      (16, 16), 64 by 32                 a clear within a scissor: 0x3060c0
 *      (100, 16), 64 by 64                a texture out of guest memory, 4 by 4: 0x300000 * x + 0x003000 * y + 0x40
 *      (180, 16), 64 by 64                one that was rendered to: 0xc08040 left, right 0x4080c0 above 0x40c080
 *      (20, 100), (140, 100), (20, 200)   a triangle: 0x20e020
 *      (60, 110), 100 by 40               behind it, drawn after it: 0xe0e020
 *
 * tests/guest/test-gl.py knows it, too.
 */
#pragma once

#include <stdint.h>

struct scene {
        unsigned width, height;
        int at_textured;                /* uniform: take the colour from a texture */
        unsigned from_memory, rendered; /* textures */
};

/* A context is current. Return: 0; -1 with a line on stderr. */
int scene_make(struct scene *s, unsigned width, unsigned height);

void scene_draw(const struct scene *s, uint32_t background);

/* Reads back what was drawn. Return: 0; -1 with a line on stderr: a pixel is not as it should be. */
int scene_check(const struct scene *s, uint32_t background);
