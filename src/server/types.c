/* SPDX-License-Identifier: MPL-2.0 */
/* The device types of `busbar` itself; each is a file type-NAME.c.
   Those with large libraries are programs of their own. */
#include <stddef.h>

#include "server/server.h"
#include "server/types.h"

const struct server_type *const server_types[] = {
        &server_type_blk,
        &server_type_console,
        &server_type_net,
        &server_type_rng,
        NULL,
};
