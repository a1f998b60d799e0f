/* SPDX-License-Identifier: MPL-2.0 */
/* The table of device types; each is a file type-NAME.c. */
#include <string.h>

#include "server/server.h"
#include "server/types.h"

const struct server_type *const server_types[] = {
        &server_type_blk,
        &server_type_console,
        &server_type_net,
        &server_type_rng,
        NULL,
};

const struct server_type *server_type_find(const char *name)
{
        for (size_t i = 0; server_types[i]; i++)
                if (strcmp(server_types[i]->name, name) == 0)
                        return server_types[i];
        return NULL;
}
