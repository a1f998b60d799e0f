/* SPDX-License-Identifier: MPL-2.0 */
#include "platform/platform.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "platform/qemu.h"

const struct platform_ops *const platforms[] = { &qemu_platform, NULL };

const struct platform_ops *platform_find(const char *name)
{
        for (size_t i = 0; platforms[i]; i++)
                if (strcmp(platforms[i]->name, name) == 0)
                        return platforms[i];
        return NULL;
}

static int select_named(const char *name, enum machine_arch arch, const struct platform_ops **ret,
                        struct platform_probe *ret_probe, char **ret_why)
{
        const struct platform_ops *platform = platform_find(name);
        struct platform_probe probe;
        int r;

        if (!platform) {
                if (asprintf(ret_why, "there is no platform called '%s'; `busbar doctor` lists them", name) < 0)
                        return -ENOMEM;
                return -ENOENT;
        }
        r = platform->probe(arch, &probe);
        if (r < 0)
                return r;
        if (!probe.usable) {
                if (asprintf(ret_why, "platform %s cannot run %s here: %s", name, machine_arch_name(arch), probe.why) <
                    0)
                        return -ENOMEM;
                return -ENODEV;
        }
        *ret = platform;
        *ret_probe = probe;
        return 0;
}

int platform_select(const char *name, enum machine_arch arch, const struct platform_ops **ret,
                    struct platform_probe *ret_probe, char **ret_why)
{
        const struct platform_ops *first_usable = NULL;

        *ret_why = NULL;
        if (strcmp(name, "auto") != 0)
                return select_named(name, arch, ret, ret_probe, ret_why);

        for (size_t i = 0; platforms[i]; i++) {
                struct platform_probe probe;

                if (platforms[i]->probe(arch, &probe) < 0 || !probe.usable)
                        continue;
                if (probe.accelerated) {
                        *ret = platforms[i];
                        *ret_probe = probe;
                        return 0;
                }
                if (!first_usable) {
                        first_usable = platforms[i];
                        *ret_probe = probe;
                }
        }
        if (!first_usable) {
                if (asprintf(ret_why, "no platform can run %s here; `busbar doctor` says why and what helps",
                             machine_arch_name(arch)) < 0)
                        return -ENOMEM;
                return -ENODEV;
        }
        *ret = first_usable;
        return 0;
}
