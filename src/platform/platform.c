/* SPDX-License-Identifier: MPL-2.0 */
#include "platform/platform.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

const struct platform_ops *platform_find(const char *name)
{
        for (size_t i = 0; platforms[i]; i++)
                if (strcmp(platforms[i]->name, name) == 0)
                        return platforms[i];
        return NULL;
}

static int say(char **ret_why, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int say(char **ret_why, int error, const char *format, ...)
{
        va_list ap;
        int n;

        free(*ret_why);
        va_start(ap, format);
        n = vasprintf(ret_why, format, ap);
        va_end(ap);
        if (n < 0)
                *ret_why = NULL;
        return n < 0 ? -ENOMEM : error;
}

/* Return: 0, or -ENOTSUP with the first reason in *ret_why. */
static int check(const struct platform_ops *platform, const struct machine *m, const struct platform_probe *probe,
                 char **ret_why)
{
        auto_cleanup(freep) char *lines = platform->check ? platform->check(m, probe) : NULL;

        if (!lines)
                return 0;
        return say(ret_why, -ENOTSUP, "platform %s cannot run this machine: %.*s", platform->name,
                   (int) strcspn(lines, "\n"), lines);
}

static int select_named(const struct machine *m, const struct platform_ops **ret, struct platform_probe *ret_probe,
                        char **ret_why)
{
        const struct platform_ops *platform = platform_find(m->platform);
        struct platform_probe probe;
        int r;

        if (!platform)
                return say(ret_why, -ENOENT, "there is no platform called '%s'; `busbar doctor` lists them",
                           m->platform);
        r = platform->probe(m->arch, &probe);
        if (r < 0)
                return r;
        if (!probe.usable)
                return say(ret_why, -ENODEV, "platform %s cannot run %s here: %s", m->platform,
                           machine_arch_name(m->arch), probe.why);
        r = check(platform, m, &probe, ret_why);
        if (r < 0)
                return r;
        *ret = platform;
        *ret_probe = probe;
        return 0;
}

int platform_select(const struct machine *m, const struct platform_ops **ret, struct platform_probe *ret_probe,
                    char **ret_why)
{
        const struct platform_ops *best = NULL;
        struct platform_probe best_probe = { 0 };

        *ret_why = NULL;
        if (strcmp(m->platform, "auto") != 0)
                return select_named(m, ret, ret_probe, ret_why);

        for (size_t i = 0; platforms[i] && !best_probe.accelerated; i++) {
                struct platform_probe probe;

                if (platforms[i]->probe(m->arch, &probe) < 0 || !probe.usable || (best && !probe.accelerated) ||
                    check(platforms[i], m, &probe, ret_why) < 0)
                        continue;
                best = platforms[i];
                best_probe = probe;
        }
        if (!best)
                return *ret_why ? -ENOTSUP
                                : say(ret_why, -ENODEV,
                                      "no platform can run %s here; `busbar doctor` says why and what helps",
                                      machine_arch_name(m->arch));
        *ret = best;
        *ret_probe = best_probe;
        return 0;
}
