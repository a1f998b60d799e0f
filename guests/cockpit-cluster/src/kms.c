/* SPDX-License-Identifier: MPL-2.0 */
/* See kms.h. */
#include "kms.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#define PATIENCE 250 /* times 20 ms, for a screen to be plugged in */

/* The connector that has the screen of that number; NULL if there are fewer. */
static drmModeConnector *connected(int fd, const drmModeRes *resources, int index)
{
        for (int i = 0; i < resources->count_connectors; i++) {
                drmModeConnector *connector = drmModeGetConnector(fd, resources->connectors[i]);

                if (connector && connector->connection == DRM_MODE_CONNECTED && connector->count_modes > 0 &&
                    index-- == 0)
                        return connector;
                drmModeFreeConnector(connector);
        }
        return NULL;
}

/* A CRTC that can drive the connector; 0 if there is none. */
static uint32_t crtc_of(int fd, const drmModeRes *resources, const drmModeConnector *connector)
{
        for (int i = 0; i < connector->count_encoders; i++) {
                drmModeEncoder *encoder = drmModeGetEncoder(fd, connector->encoders[i]);
                uint32_t possible = encoder ? encoder->possible_crtcs : 0;

                drmModeFreeEncoder(encoder);
                for (int j = 0; j < resources->count_crtcs; j++)
                        if (possible & (1u << j))
                                return resources->crtcs[j];
        }
        return 0;
}

static int make_buffer(struct kms *kms)
{
        struct drm_mode_create_dumb create = { .width = kms->width, .height = kms->height, .bpp = 32 };
        struct drm_mode_map_dumb map = { 0 };
        void *pixels;

        if (drmIoctl(kms->fd, DRM_IOCTL_MODE_CREATE_DUMB, &create) < 0)
                return -errno;
        if (drmModeAddFB(kms->fd, kms->width, kms->height, 24, 32, create.pitch, create.handle, &kms->framebuffer) != 0)
                return -errno;
        map.handle = create.handle;
        if (drmIoctl(kms->fd, DRM_IOCTL_MODE_MAP_DUMB, &map) < 0)
                return -errno;
        pixels = mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, kms->fd, (off_t) map.offset);
        if (pixels == MAP_FAILED)
                return -errno;
        memset(pixels, 0, create.size);
        kms->pixels = pixels;
        kms->pitch = create.pitch;
        kms->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int) kms->width, (int) kms->height);
        return 0;
}

static int light(struct kms *kms, int index)
{
        drmModeRes *resources = drmModeGetResources(kms->fd);
        drmModeConnector *connector = resources ? connected(kms->fd, resources, index) : NULL;
        int r;

        if (!connector) {
                drmModeFreeResources(resources);
                return -ENODEV;
        }
        kms->crtc = crtc_of(kms->fd, resources, connector);
        kms->width = connector->modes[0].hdisplay;
        kms->height = connector->modes[0].vdisplay;
        r = make_buffer(kms);
        if (r == 0 && drmModeSetCrtc(kms->fd, kms->crtc, kms->framebuffer, 0, 0, &connector->connector_id, 1,
                                     &connector->modes[0]) != 0)
                r = -errno;
        drmModeFreeConnector(connector);
        drmModeFreeResources(resources);
        return r;
}

int kms_open(struct kms *kms, int index)
{
        static int card = -1; /* shared: only who opened it first may light screens */
        int r;

        if (card < 0)
                card = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
        *kms = (struct kms) { .fd = card };
        r = kms->fd < 0 ? -errno : light(kms, index);
        for (int i = 0; r == -ENODEV && i < PATIENCE; i++) {
                (void) usleep(20000);
                r = light(kms, index);
        }
        if (r < 0)
                (void) fprintf(stderr, "no screen %d at /dev/dri/card0: %s\n", index, strerror(-r));
        return r;
}

void kms_take(struct kms *kms, const cairo_rectangle_int_t *rectangle)
{
        const uint8_t *drawn = cairo_image_surface_get_data(kms->surface);
        size_t stride = (size_t) cairo_image_surface_get_stride(kms->surface), left = (size_t) rectangle->x * 4;

        cairo_surface_flush(kms->surface);
        for (size_t y = (size_t) rectangle->y; y < (size_t) (rectangle->y + rectangle->height); y++)
                memcpy(kms->pixels + y * kms->pitch + left, drawn + y * stride + left, (size_t) rectangle->width * 4);
}

void kms_show(struct kms *kms)
{
        /* It fails while the screen is off; the next frame is then as good. */
        (void) drmModeDirtyFB(kms->fd, kms->framebuffer, NULL, 0);
}
