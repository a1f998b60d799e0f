/* SPDX-License-Identifier: MPL-2.0 */
/* The first screen of /dev/dri/card0: GLES draws into GBM's buffers, KMS shows them one after the other. */
#pragma once

#include <EGL/egl.h>
#include <gbm.h>
#include <stdint.h>
#include <xf86drmMode.h>

struct screen {
        int fd;
        uint32_t connector, crtc;
        drmModeModeInfo mode;
        struct gbm_device *gbm;
        struct gbm_surface *surface;
        struct gbm_bo *shown; /* NULL: nothing yet */
        uint32_t framebuffer;
        EGLDisplay display;
        EGLContext context;
        EGLSurface window;
};

/* Makes a context current. Whoever ends leaves the rest to the kernel. Return: 0; -1 with a line on stderr. */
int screen_open(struct screen *s);

/* What was drawn is shown when it returns. Return: 0; -1 with a line on stderr. */
int screen_show(struct screen *s);
