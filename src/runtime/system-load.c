/* SPDX-License-Identifier: MPL-2.0 */
/* From a system file to its bundles, and whether they fit together. */
#include "runtime/system.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "runtime/bundle.h"

static int fail(char **ret_error, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(char **ret_error, int error, const char *format, ...)
{
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(ret_error, format, ap);
        va_end(ap);
        if (n < 0) {
                *ret_error = NULL;
                return -ENOMEM;
        }
        return error;
}

static int check_machine(const struct system *s, const struct system_machine *m, char **ret_error)
{
        const struct bundle *b = m->bundle;

        for (size_t i = 0; i < b->n_devices; i++) {
                const struct bundle_device *d = &b->devices[i];

                if (d->type == DEVICE_NET && !system_find_network(s, d->network))
                        return fail(ret_error, -EINVAL,
                                    "%s:%u: machines.%s: its device \"%s\" (%s/config.json:%u) is on network \"%s\", "
                                    "which is not among \"networks\"",
                                    s->path, m->line, m->name, d->id, b->path, d->line, d->network);
        }
        for (size_t i = 0; i < m->n_consoles; i++) {
                const struct bundle_device *d = bundle_find_device(b, m->consoles[i].device);

                if (!d || d->type != DEVICE_CONSOLE)
                        return fail(ret_error, -EINVAL, "%s:%u: machines.%s.consoles.%s: %s has no such console",
                                    s->path, m->line, m->name, m->consoles[i].device, b->path);
        }
        return 0;
}

struct writer {
        const struct system_machine *machine;
        const struct bundle_device *device;
};

/* An image that two guests write to without knowing of each other is lost. */
static int check_images(const struct system *s, const struct writer *a, char **ret_error)
{
        for (size_t i = 0; i < s->n_machines; i++) {
                const struct system_machine *m = &s->machines[i];

                for (size_t k = 0; k < m->bundle->n_devices; k++) {
                        const struct bundle_device *d = &m->bundle->devices[k];

                        if (d == a->device || d->type != DEVICE_BLK || strcmp(d->image, a->device->image) != 0)
                                continue;
                        return fail(ret_error, -EINVAL,
                                    "%s:%u: machines.%s: its device \"%s\" writes to %s, which device \"%s\" of "
                                    "machine \"%s\" uses too",
                                    s->path, a->machine->line, a->machine->name, a->device->id, d->image, d->id,
                                    m->name);
                }
        }
        return 0;
}

static int check_all(const struct system *s, char **ret_error)
{
        for (size_t i = 0; i < s->n_machines; i++) {
                const struct system_machine *m = &s->machines[i];
                int r = check_machine(s, m, ret_error);

                if (r < 0)
                        return r;
                for (size_t k = 0; k < m->bundle->n_devices; k++) {
                        struct writer w = { .machine = m, .device = &m->bundle->devices[k] };

                        if (w.device->type != DEVICE_BLK || w.device->read_only)
                                continue;
                        r = check_images(s, &w, ret_error);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

int system_load(const char *path, struct system **ret, char **ret_error)
{
        auto_cleanup(system_freep) struct system *s = NULL;
        auto_cleanup(freep) char *absolute = NULL, *text = NULL;
        size_t n;
        int r;

        absolute = realpath(path, NULL);
        if (!absolute)
                return fail(ret_error, -errno, "%s: %s", path, strerror(errno));
        r = fd_read_file(absolute, SYSTEM_CONFIG_MAX_BYTES, &text, &n);
        if (r == -EFBIG)
                return fail(ret_error, r, "%s:1: more than the %u bytes allowed", path, SYSTEM_CONFIG_MAX_BYTES);
        if (r < 0)
                return fail(ret_error, r, "%s: %s", path, strerror(-r));
        r = system_parse(absolute, text, n, &s, ret_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < s->n_machines; i++) {
                r = bundle_load(s->machines[i].bundle_path, &s->machines[i].bundle, ret_error);
                if (r < 0)
                        return r;
        }
        r = check_all(s, ret_error);
        if (r == 0)
                r = system_check_scene(s, ret_error);
        if (r < 0)
                return r;
        *ret = take_ptr(&s);
        return 0;
}
