/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A screen of the guest: one dumb buffer that is shown for good, and a surface of the same size to draw on. What is
 * done there is copied by rectangle, and then the kernel is told (DIRTYFB). The device may take the pixels while we go
 * on, but never sees anything half drawn.
 *
 * Linux 6.8 and later hand the whole buffer of a virtio-gpu over whatever rectangle they are told; so one call a frame,
 * and a screen of its own for what is to be shown by itself.
 */
#pragma once

#include <cairo.h>
#include <stdint.h>

struct kms {
        int fd;
        uint32_t crtc, framebuffer;
        uint32_t width, height;
        uint32_t pitch;
        uint8_t *pixels;          /* of the buffer */
        cairo_surface_t *surface; /* to draw on */
};

/**
 * kms_open() - light a screen of /dev/dri/card0 in the mode it prefers
 * @index:  which of the connected ones
 *
 * Return: 0; a negative errno, with a line on stderr.
 */
int kms_open(struct kms *kms, int index);

/* Copies what is drawn within the rectangle, to be shown next. */
void kms_take(struct kms *kms, const cairo_rectangle_int_t *rectangle);

/* Shows it. */
void kms_show(struct kms *kms);
