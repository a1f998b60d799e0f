/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The guest's screen: one dumb buffer that is shown for good. What changed in it is told to the kernel by rectangle
 * (DIRTYFB), and the device takes just these pixels; it takes them before the call returns to us, so nothing tears.
 */
#pragma once

#include <cairo.h>
#include <stdint.h>

struct kms {
        int fd;
        uint32_t crtc, framebuffer;
        uint32_t width, height;
        cairo_surface_t *surface; /* the buffer's pixels */
};

/**
 * kms_open() - light the first connected screen of /dev/dri/card0 in the mode it prefers
 *
 * Return: 0; a negative errno, with a line on stderr.
 */
int kms_open(struct kms *kms);

/* Shows the rectangle's pixels. */
void kms_show(struct kms *kms, const cairo_rectangle_int_t *rectangle);
