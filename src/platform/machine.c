/* SPDX-License-Identifier: MPL-2.0 */
#include "platform/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

static const char *const type_names[] = {
        [DEVICE_BLK] = "blk",
        [DEVICE_NET] = "net",
        [DEVICE_RNG] = "rng",
        [DEVICE_CONSOLE] = "console",
        [DEVICE_GPU] = "gpu",
        [DEVICE_INPUT] = "input",
        [DEVICE_SOUND] = "sound",
};

void machine_deinit(struct machine *m)
{
        for (size_t i = 0; i < m->n_devices; i++) {
                free(m->devices[i].id);
                free(m->devices[i].socket_path);
        }
        free(m->devices);
        free(m->id);
        free(m->platform);
        free(m->kernel);
        free(m->initrd);
        free(m->parameters);
        free(m->firmware);
        free(m->device_tree);
        free(m->run_dir);
        *m = (struct machine){ 0 };
}

const char *machine_arch_name(enum machine_arch arch) { return arch == ARCH_AARCH64 ? "aarch64" : "x86_64"; }

const char *device_type_name(enum device_type type) { return type_names[type]; }
