/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A screen on a connector of the host's graphics, by kernel mode setting (DRM, atomic): kms.c shows pictures,
 * kms-device.c finds the connector and what drives it, and speaks atomic requests; kms-buffer.c is the memory that is
 * scanned out.
 *
 * All on the screen's loop.
 */
#pragma once

#include <pixman.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xf86drmMode.h>

struct frame;

/* A dumb buffer: x8r8g8b8, mapped. */
struct kms_buffer {
        int fd;                   /* borrowed: of the device */
        uint32_t handle, fb;      /* 0: none */
        uint32_t stride_bytes;
        uint8_t *pixels;          /* mapped; NULL: not */
        size_t size_bytes;
        pixman_region32_t stale;  /* unlike the screen's picture */
};

int kms_buffer_init(struct kms_buffer *b, int fd, uint32_t width, uint32_t height);
void kms_buffer_deinit(struct kms_buffer *b); /* zeroed ones, too */

/* Copies what is stale. */
void kms_buffer_update(struct kms_buffer *b, const struct frame *frame);

struct kms_connection {
        int fd;                   /* owned: of the device; -1: none */
        char name[32];            /* of the connector */
        uint32_t connector, crtc, plane;
        uint32_t mode_blob;       /* 0: none */
        uint32_t connector_crtc, crtc_mode, crtc_active; /* properties */
        uint32_t plane_fb, plane_crtc, plane_crtc_x, plane_crtc_y, plane_crtc_w, plane_crtc_h;
        uint32_t plane_src_x, plane_src_y, plane_src_w, plane_src_h;
        uint32_t plane_damage;    /* 0: the driver does not ask for it */
        uint32_t width, height, rate_hz; /* of the mode */
        bool is_connected;
};

/**
 * kms_connect() - open a device and find a connector, and a CRTC and a plane for it
 * @name:  of the connector; NULL: the first that is connected
 * @width: with @height and @rate_hz the mode wanted; 0: the preferred one
 *
 * Something has to be connected unless a size is given; then a display may come later, see kms_probe().
 *
 * Return: 0; a negative errno with *ret_error set.
 */
int kms_connect(struct kms_connection *c, const char *device, const char *name, uint32_t width, uint32_t height,
                uint32_t rate_hz, char **ret_error);
void kms_disconnect(struct kms_connection *c);

/* Looks again whether something is connected that has the mode; is_connected tells. Return: 0 or a negative errno. */
int kms_probe(struct kms_connection *c);

/* Shows @fb with the mode, and waits for it. Return: 0; -EACCES: another program has the device; a negative errno. */
int kms_set_mode(struct kms_connection *c, uint32_t fb);

/* Nothing is shown any more. */
int kms_switch_off(struct kms_connection *c);

/* Shows @fb from the next picture on; an event with @data tells when. Return: as kms_set_mode(); -EBUSY. */
int kms_flip(struct kms_connection *c, uint32_t fb, const pixman_region32_t *damage, void *data);

/* The mode of a size whose rate is nearest to @rate_hz, the preferred one among equals; 0 by 0: the preferred one, or
   the first. NULL: there is none. */
const drmModeModeInfo *kms_choose_mode(const drmModeModeInfo *modes, size_t n, uint32_t width, uint32_t height,
                                       uint32_t rate_hz);

/* Listens to the kernel's news of devices. Return: an fd or a negative errno. */
int kms_listen_hotplug(void);

/* Whether a message of it says that something was plugged in or out at a DRM device. */
bool kms_is_hotplug(const char *message, size_t n);
