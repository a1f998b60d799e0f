/* SPDX-License-Identifier: MPL-2.0 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xf86drm.h>

#include "base/cleanup.h"
#include "display/kms-private.h"
#include "display/outputs.h"

static void resources_freep(drmModeRes **r) { drmModeFreeResources(*r); }
static void connector_freep(drmModeConnector **c) { drmModeFreeConnector(*c); }
static void plane_freep(drmModePlane **p) { drmModeFreePlane(*p); }
static void planes_freep(drmModePlaneRes **p) { drmModeFreePlaneResources(*p); }
static void properties_freep(drmModeObjectProperties **p) { drmModeFreeObjectProperties(*p); }
static void request_freep(drmModeAtomicReq **r) { drmModeAtomicFree(*r); }

const drmModeModeInfo *kms_choose_mode(const drmModeModeInfo *modes, size_t n, uint32_t width, uint32_t height,
                                       uint32_t rate_hz)
{
        const drmModeModeInfo *best = NULL;
        uint32_t best_distance = 0;

        for (size_t i = 0; i < n; i++) {
                const drmModeModeInfo *m = &modes[i];
                bool preferred = m->type & DRM_MODE_TYPE_PREFERRED;
                uint32_t distance = rate_hz == 0            ? 0
                                    : m->vrefresh > rate_hz ? m->vrefresh - rate_hz
                                                            : rate_hz - m->vrefresh;

                if (m->flags & DRM_MODE_FLAG_INTERLACE)
                        continue;
                if (width == 0)
                        distance = 0;
                else if (m->hdisplay != width || m->vdisplay != height)
                        continue;
                if (!best || distance < best_distance ||
                    (distance == best_distance && preferred && !(best->type & DRM_MODE_TYPE_PREFERRED))) {
                        best = m;
                        best_distance = distance;
                }
        }
        return best;
}

static void name_connector(const drmModeConnector *c, char *ret, size_t size)
{
        const char *type = drmModeGetConnectorTypeName(c->connector_type);

        (void) snprintf(ret, size, "%s-%u", type ?: "Unknown", c->connector_type_id);
}

/* Return: the connector, owned by the caller; NULL: none. */
static drmModeConnector *find_connector(int fd, const drmModeRes *resources, const char *name)
{
        for (int i = 0; i < resources->count_connectors; i++) {
                drmModeConnector *c = drmModeGetConnector(fd, resources->connectors[i]);
                char own_name[32];

                if (!c)
                        continue;
                name_connector(c, own_name, sizeof(own_name));
                if (name ? strcmp(own_name, name) == 0 : c->connection == DRM_MODE_CONNECTED)
                        return c;
                drmModeFreeConnector(c);
        }
        return NULL;
}

/* A CRTC that one of the connector's encoders can use; the one it has, if it has. Return: its index; < 0: none. */
static int find_crtc(int fd, const drmModeRes *resources, const drmModeConnector *connector)
{
        int first = -1;

        for (int e = 0; e < connector->count_encoders; e++) {
                drmModeEncoder *encoder = drmModeGetEncoder(fd, connector->encoders[e]);

                if (!encoder)
                        continue;
                for (int i = 0; i < resources->count_crtcs; i++) {
                        bool is_own =
                                encoder->encoder_id == connector->encoder_id && encoder->crtc_id == resources->crtcs[i];

                        if (encoder->possible_crtcs & (1u << i) && (first < 0 || is_own))
                                first = i;
                }
                drmModeFreeEncoder(encoder);
        }
        return first;
}

/* Return: the property's id; 0: there is none. */
static uint32_t find_property(int fd, uint32_t object, uint32_t type, const char *name, uint64_t *ret_value)
{
        auto_cleanup(properties_freep) drmModeObjectProperties *properties =
                drmModeObjectGetProperties(fd, object, type);
        uint32_t id = 0;

        for (uint32_t i = 0; properties && i < properties->count_props && id == 0; i++) {
                drmModePropertyRes *p = drmModeGetProperty(fd, properties->props[i]);

                if (!p)
                        continue;
                if (strcmp(p->name, name) == 0) {
                        id = p->prop_id;
                        if (ret_value)
                                *ret_value = properties->prop_values[i];
                }
                drmModeFreeProperty(p);
        }
        return id;
}

/* The CRTC's primary plane. Return: 0: none. */
static uint32_t find_plane(int fd, int crtc_index)
{
        auto_cleanup(planes_freep) drmModePlaneRes *planes = drmModeGetPlaneResources(fd);

        for (uint32_t i = 0; planes && i < planes->count_planes; i++) {
                auto_cleanup(plane_freep) drmModePlane *plane = drmModeGetPlane(fd, planes->planes[i]);
                uint64_t type = 0;

                if (plane && plane->possible_crtcs & (1u << crtc_index) &&
                    find_property(fd, plane->plane_id, DRM_MODE_OBJECT_PLANE, "type", &type) &&
                    type == DRM_PLANE_TYPE_PRIMARY)
                        return plane->plane_id;
        }
        return 0;
}

static bool find_properties(struct kms_connection *c)
{
        struct {
                uint32_t *ret, object, type;
                const char *name;
        } wanted[] = {
                { &c->connector_crtc, c->connector, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID" },
                { &c->crtc_mode, c->crtc, DRM_MODE_OBJECT_CRTC, "MODE_ID" },
                { &c->crtc_active, c->crtc, DRM_MODE_OBJECT_CRTC, "ACTIVE" },
                { &c->plane_fb, c->plane, DRM_MODE_OBJECT_PLANE, "FB_ID" },
                { &c->plane_crtc, c->plane, DRM_MODE_OBJECT_PLANE, "CRTC_ID" },
                { &c->plane_crtc_x, c->plane, DRM_MODE_OBJECT_PLANE, "CRTC_X" },
                { &c->plane_crtc_y, c->plane, DRM_MODE_OBJECT_PLANE, "CRTC_Y" },
                { &c->plane_crtc_w, c->plane, DRM_MODE_OBJECT_PLANE, "CRTC_W" },
                { &c->plane_crtc_h, c->plane, DRM_MODE_OBJECT_PLANE, "CRTC_H" },
                { &c->plane_src_x, c->plane, DRM_MODE_OBJECT_PLANE, "SRC_X" },
                { &c->plane_src_y, c->plane, DRM_MODE_OBJECT_PLANE, "SRC_Y" },
                { &c->plane_src_w, c->plane, DRM_MODE_OBJECT_PLANE, "SRC_W" },
                { &c->plane_src_h, c->plane, DRM_MODE_OBJECT_PLANE, "SRC_H" },
        };

        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
                *wanted[i].ret = find_property(c->fd, wanted[i].object, wanted[i].type, wanted[i].name, NULL);
                if (*wanted[i].ret == 0)
                        return false;
        }
        c->plane_damage = find_property(c->fd, c->plane, DRM_MODE_OBJECT_PLANE, "FB_DAMAGE_CLIPS", NULL);
        return true;
}

/* Takes the mode of what is connected, if it has the one that is wanted. */
static int use_mode(struct kms_connection *c, const drmModeConnector *connector)
{
        const drmModeModeInfo *mode = NULL;
        int r;

        c->is_connected = false;
        if (connector->connection == DRM_MODE_CONNECTED && connector->count_modes > 0)
                mode = kms_choose_mode(connector->modes, (size_t) connector->count_modes, c->width, c->height,
                                       c->rate_hz);
        if (!mode)
                return 0;
        if (c->mode_blob)
                (void) drmModeDestroyPropertyBlob(c->fd, c->mode_blob);
        c->mode_blob = 0;
        r = drmModeCreatePropertyBlob(c->fd, mode, sizeof(*mode), &c->mode_blob);
        if (r < 0)
                return r;
        c->width = mode->hdisplay;
        c->height = mode->vdisplay;
        c->rate_hz = mode->vrefresh;
        c->is_connected = true;
        return 0;
}

int kms_probe(struct kms_connection *c)
{
        auto_cleanup(connector_freep) drmModeConnector *connector = drmModeGetConnector(c->fd, c->connector);

        return connector ? use_mode(c, connector) : -errno;
}

static int find_all(struct kms_connection *c, const char *device, const char *name, char **ret_error)
{
        auto_cleanup(resources_freep) drmModeRes *resources = drmModeGetResources(c->fd);
        auto_cleanup(connector_freep) drmModeConnector *connector = NULL;
        int crtc, r;

        if (!resources)
                return output_error(ret_error, -ENODEV, "%s: has no displays", device);
        connector = find_connector(c->fd, resources, name);
        if (!connector)
                return name ? output_error(ret_error, -ENODEV, "%s: has no connector %s", device, name)
                            : output_error(ret_error, -ENODEV, "%s: nothing is connected", device);
        name_connector(connector, c->name, sizeof(c->name));
        c->connector = connector->connector_id;
        crtc = find_crtc(c->fd, resources, connector);
        if (crtc < 0)
                return output_error(ret_error, -ENODEV, "%s: nothing drives connector %s", device, c->name);
        c->crtc = resources->crtcs[crtc];
        c->plane = find_plane(c->fd, crtc);
        if (c->plane == 0 || !find_properties(c))
                return output_error(ret_error, -ENODEV, "%s: connector %s cannot be driven atomically", device,
                                    c->name);
        r = use_mode(c, connector);
        if (r < 0)
                return r;
        if (!c->is_connected && connector->connection == DRM_MODE_CONNECTED)
                return output_error(ret_error, -EINVAL, "%s: what is connected to %s has no mode of %u by %u", device,
                                    c->name, c->width, c->height);
        if (!c->is_connected && c->width == 0)
                return output_error(ret_error, -ENODEV, "%s: nothing is connected to %s, and no size is given", device,
                                    c->name);
        return 0;
}

int kms_connect(struct kms_connection *c, const char *device, const char *name, uint32_t width, uint32_t height,
                uint32_t rate_hz, char **ret_error)
{
        uint64_t dumb = 0;

        *c = (struct kms_connection) { .width = width, .height = height, .rate_hz = rate_hz };
        c->fd = open(device, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (c->fd < 0)
                return output_error(ret_error, -errno, "%s: %s", device, strerror(errno));
        if (drmSetClientCap(c->fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1) < 0 ||
            drmSetClientCap(c->fd, DRM_CLIENT_CAP_ATOMIC, 1) < 0 || drmGetCap(c->fd, DRM_CAP_DUMB_BUFFER, &dumb) < 0 ||
            dumb == 0)
                return output_error(ret_error, -ENOTSUP, "%s: its driver lacks atomic mode setting or plain buffers",
                                    device);
        return find_all(c, device, name, ret_error);
}

void kms_disconnect(struct kms_connection *c)
{
        if (c->fd < 0)
                return;
        if (c->mode_blob)
                (void) drmModeDestroyPropertyBlob(c->fd, c->mode_blob);
        fd_close(&c->fd);
}

/* Return: 0 or -ENOMEM. */
static int add_plane(drmModeAtomicReq *request, const struct kms_connection *c, uint32_t fb)
{
        const struct {
                uint32_t property;
                uint64_t value;
        } values[] = {
                { c->plane_fb, fb },
                { c->plane_crtc, fb ? c->crtc : 0 },
                { c->plane_crtc_x, 0 },
                { c->plane_crtc_y, 0 },
                { c->plane_crtc_w, c->width },
                { c->plane_crtc_h, c->height },
                { c->plane_src_x, 0 },
                { c->plane_src_y, 0 },
                { c->plane_src_w, (uint64_t) c->width << 16 },
                { c->plane_src_h, (uint64_t) c->height << 16 },
        };

        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
                if (drmModeAtomicAddProperty(request, c->plane, values[i].property, values[i].value) < 0)
                        return -ENOMEM;
        return 0;
}

static int set(struct kms_connection *c, uint32_t fb, bool active)
{
        auto_cleanup(request_freep) drmModeAtomicReq *request = drmModeAtomicAlloc();

        if (!request || add_plane(request, c, fb) < 0 ||
            drmModeAtomicAddProperty(request, c->connector, c->connector_crtc, active ? c->crtc : 0) < 0 ||
            drmModeAtomicAddProperty(request, c->crtc, c->crtc_mode, active ? c->mode_blob : 0) < 0 ||
            drmModeAtomicAddProperty(request, c->crtc, c->crtc_active, active) < 0)
                return -ENOMEM;
        return drmModeAtomicCommit(c->fd, request, DRM_MODE_ATOMIC_ALLOW_MODESET, NULL) < 0 ? -errno : 0;
}

int kms_set_mode(struct kms_connection *c, uint32_t fb)
{
        assert(c->mode_blob && c->is_connected);
        return set(c, fb, true);
}

int kms_switch_off(struct kms_connection *c)
{
        return set(c, 0, false);
}

int kms_flip(struct kms_connection *c, uint32_t fb, const pixman_region32_t *damage, void *data)
{
        auto_cleanup(request_freep) drmModeAtomicReq *request = drmModeAtomicAlloc();
        uint32_t clips = 0;
        int n, r = 0;
        const pixman_box32_t *boxes = pixman_region32_rectangles((pixman_region32_t *) damage, &n);

        if (!request || drmModeAtomicAddProperty(request, c->plane, c->plane_fb, fb) < 0)
                return -ENOMEM;
        _Static_assert(sizeof(struct drm_mode_rect) == sizeof(*boxes), "both are x1, y1, x2, y2 of 32 bits");
        if (c->plane_damage && n > 0) {
                r = drmModeCreatePropertyBlob(c->fd, boxes, (size_t) n * sizeof(*boxes), &clips);
                if (r == 0 && drmModeAtomicAddProperty(request, c->plane, c->plane_damage, clips) < 0)
                        r = -ENOMEM;
        }
        if (r == 0 &&
            drmModeAtomicCommit(c->fd, request, DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT, data) < 0)
                r = -errno;
        if (clips)
                (void) drmModeDestroyPropertyBlob(c->fd, clips);
        return r;
}
