/* SPDX-License-Identifier: MPL-2.0 */
/* See screen.h. */
#include "screen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

static int fail(const char *what)
{
        (void) fprintf(stderr, "%s: %s, EGL 0x%x\n", what, strerror(errno), (unsigned) eglGetError());
        return -1;
}

/* The first connected connector, with its first mode. */
static int find_connector(struct screen *s, const drmModeRes *resources)
{
        for (int i = 0; i < resources->count_connectors; i++) {
                drmModeConnector *c = drmModeGetConnector(s->fd, resources->connectors[i]);
                bool usable = c && c->connection == DRM_MODE_CONNECTED && c->count_modes > 0;

                if (usable) {
                        s->connector = c->connector_id;
                        s->mode = c->modes[0];
                }
                drmModeFreeConnector(c);
                if (usable)
                        return 0;
        }
        return fail("no screen");
}

static int open_card(struct screen *s)
{
        drmModeRes *resources;
        int r;

        s->fd = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
        resources = s->fd < 0 ? NULL : drmModeGetResources(s->fd);
        if (!resources)
                return fail("/dev/dri/card0");
        s->crtc = resources->crtcs[0]; /* virtio: one for each connector, in the same order */
        r = find_connector(s, resources);
        drmModeFreeResources(resources);
        return r;
}

static int choose_config(struct screen *s, EGLConfig *ret)
{
        static const EGLint wanted[] = { EGL_SURFACE_TYPE, EGL_WINDOW_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_ES2_BIT,
                                         EGL_RED_SIZE, 8, EGL_GREEN_SIZE, 8, EGL_BLUE_SIZE, 8, EGL_ALPHA_SIZE, 0,
                                         EGL_DEPTH_SIZE, 16, EGL_NONE };
        EGLConfig found[64];
        EGLint n = 0, format;

        if (!eglChooseConfig(s->display, wanted, found, 64, &n))
                return fail("eglChooseConfig");
        for (EGLint i = 0; i < n; i++)
                if (eglGetConfigAttrib(s->display, found[i], EGL_NATIVE_VISUAL_ID, &format) &&
                    format == GBM_FORMAT_XRGB8888) {
                        *ret = found[i];
                        return 0;
                }
        return fail("no configuration with XRGB8888");
}

static int make_context(struct screen *s)
{
        static const EGLint version[] = { EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE };
        EGLConfig config;

        s->display = eglGetDisplay((EGLNativeDisplayType) s->gbm);
        if (!eglInitialize(s->display, NULL, NULL))
                return fail("eglInitialize");
        if (!eglBindAPI(EGL_OPENGL_ES_API) || choose_config(s, &config) < 0)
                return -1;
        s->context = eglCreateContext(s->display, config, EGL_NO_CONTEXT, version);
        s->window = eglCreateWindowSurface(s->display, config, (EGLNativeWindowType) s->surface, NULL);
        if (s->context == EGL_NO_CONTEXT || s->window == EGL_NO_SURFACE)
                return fail("context");
        return eglMakeCurrent(s->display, s->window, s->window, s->context) ? 0 : fail("eglMakeCurrent");
}

int screen_open(struct screen *s)
{
        *s = (struct screen){ 0 };
        if (open_card(s) < 0)
                return -1;
        s->gbm = gbm_create_device(s->fd);
        s->surface = s->gbm ? gbm_surface_create(s->gbm, s->mode.hdisplay, s->mode.vdisplay, GBM_FORMAT_XRGB8888,
                                                 GBM_BO_USE_SCANOUT | GBM_BO_USE_RENDERING) : NULL;
        return s->surface ? make_context(s) : fail("gbm");
}

/* Waits until the new buffer is the shown one. */
static int flip(struct screen *s, uint32_t framebuffer)
{
        char event[256]; /* the only one that is asked for */

        if (drmModePageFlip(s->fd, s->crtc, framebuffer, DRM_MODE_PAGE_FLIP_EVENT, NULL) < 0)
                return fail("page flip");
        return read(s->fd, event, sizeof(event)) > 0 ? 0 : fail("end of a page flip");
}

int screen_show(struct screen *s)
{
        struct gbm_bo *bo;
        uint32_t framebuffer;

        if (!eglSwapBuffers(s->display, s->window))
                return fail("eglSwapBuffers");
        bo = gbm_surface_lock_front_buffer(s->surface);
        if (!bo || drmModeAddFB(s->fd, s->mode.hdisplay, s->mode.vdisplay, 24, 32, gbm_bo_get_stride(bo),
                                gbm_bo_get_handle(bo).u32, &framebuffer) < 0)
                return fail("framebuffer");
        if (s->shown ? flip(s, framebuffer) < 0 :
                       drmModeSetCrtc(s->fd, s->crtc, framebuffer, 0, 0, &s->connector, 1, &s->mode) < 0)
                return fail("cannot show");
        if (s->shown) {
                (void) drmModeRmFB(s->fd, s->framebuffer);
                gbm_surface_release_buffer(s->surface, s->shown);
        }
        s->shown = bo;
        s->framebuffer = framebuffer;
        return 0;
}
