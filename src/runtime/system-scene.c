/* SPDX-License-Identifier: MPL-2.0 */
/* Whether what bundles want to show, to hear and to be told fits the scene of their system. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/bundle-device.h"
#include "runtime/bundle.h"
#include "runtime/system.h"

/* A device of a machine, and where to say so if it does not fit. */
struct use {
        const struct system *system;
        const struct system_machine *machine;
        const struct bundle_device *device;
        char **ret_error;
};

static int fail(const struct use *u, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(const struct use *u, const char *format, ...)
{
        char what[512];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(what, sizeof(what), format, ap);
        va_end(ap);
        if (asprintf(u->ret_error, "%s:%u: machines.%s: its device \"%s\" (%s/config.json:%u) %s", u->system->path,
                     u->machine->line, u->machine->name, u->device->id, u->machine->bundle->path, u->device->line,
                     what) < 0) {
                *u->ret_error = NULL;
                return -ENOMEM;
        }
        return -EINVAL;
}

static bool names_display(const struct bundle_device *d, const char *display)
{
        for (size_t i = 0; i < d->n_displays; i++)
                if (strcmp(d->displays[i], display) == 0)
                        return true;
        return false;
}

/* What another device, anywhere in the system, has to do with a display of this one. */
static int check_other(const struct use *u, const char *display, const struct system_machine *m,
                       const struct bundle_device *other)
{
        const struct bundle_device *d = u->device;

        if (other == d || !names_display(other, display))
                return 0;
        if (d->type == DEVICE_GPU && other->type == DEVICE_GPU)
                return fail(u, "is on display \"%s\", on which device \"%s\" of machine \"%s\" is too", display,
                            other->id, m->name);
        if (d->type == DEVICE_INPUT && other->type == DEVICE_INPUT && d->kind == other->kind)
                return fail(u, "gets %s of display \"%s\", which device \"%s\" of machine \"%s\" gets too",
                            input_kind_name(d->kind), display, other->id, m->name);
        if (d->type == DEVICE_INPUT && other->type == DEVICE_GPU && m != u->machine)
                return fail(u, "gets %s of display \"%s\", on which machine \"%s\" is", input_kind_name(d->kind),
                            display, m->name);
        return 0;
}

static int check_display(const struct use *u, const char *display)
{
        if (!scene_find_display(&u->system->scene, display))
                return fail(u, "is on display \"%s\", which is not among \"displays\"", display);
        for (size_t i = 0; i < u->system->n_machines; i++) {
                const struct system_machine *m = &u->system->machines[i];

                for (size_t k = 0; k < m->bundle->n_devices; k++) {
                        int r = check_other(u, display, m, &m->bundle->devices[k]);

                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

int system_check_scene(const struct system *s, char **ret_error)
{
        for (size_t i = 0; i < s->n_machines; i++) {
                const struct bundle *b = s->machines[i].bundle;

                for (size_t k = 0; k < b->n_devices; k++) {
                        struct use u = { s, &s->machines[i], &b->devices[k], ret_error };
                        int r = 0;

                        for (size_t j = 0; j < u.device->n_displays && r == 0; j++)
                                r = check_display(&u, u.device->displays[j]);
                        if (r == 0 && u.device->type == DEVICE_SOUND && !scene_find_audio(&s->scene, u.device->audio))
                                r = fail(&u, "plays on \"%s\", which is not among \"audio\"", u.device->audio);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}
