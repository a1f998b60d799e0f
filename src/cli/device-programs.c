/* SPDX-License-Identifier: MPL-2.0 */
#include "cli/device-programs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "server/types.h"

const struct device_program device_programs[] = {
        { "gpu", SERVER_SUMMARY_GPU, "pixman and libpng" },
        { "input", SERVER_SUMMARY_INPUT, "nothing more" },
        { "sound", SERVER_SUMMARY_SOUND, "libsndfile and libsamplerate" },
        { NULL },
};

const struct device_program *device_program_find(const char *type)
{
        for (const struct device_program *p = device_programs; p->type; p++)
                if (strcmp(p->type, type) == 0)
                        return p;
        return NULL;
}

bool device_program_path(const char *program, const char *type, char *ret, size_t n)
{
        static const char *const places[] = { "", "../libexec/busbar/" };
        const char *slash = strrchr(program, '/');
        int n_folder = slash ? (int) (slash + 1 - program) : 0;

        for (size_t i = 0; i < ARRAY_SIZE(places); i++)
                if (snprintf(ret, n, "%.*s%sbusbar-device-%s", n_folder, program, places[i], type) < (int) n &&
                    access(ret, X_OK) == 0)
                        return true;
        return false;
}
