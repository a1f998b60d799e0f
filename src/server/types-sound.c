/* SPDX-License-Identifier: MPL-2.0 */
/* The device types of `busbar-device-sound`. */
#include <stddef.h>

#include "server/server.h"
#include "server/types.h"

const struct server_type *const server_types[] = {
        &server_type_sound,
        NULL,
};
