/* SPDX-License-Identifier: MPL-2.0 */
#include "server/server.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "server/arguments.h"

int server_main(const struct server_type *type, char *const *words, size_t n_words)
{
        auto_cleanup(server_arguments_freep) struct server_arguments *arguments = NULL;
        int r;

        r = server_arguments_new(type, words, n_words, &arguments);
        if (r < 0)
                return 2;
        if (arguments->help) {
                server_print_help(type);
                return 0;
        }
        if (arguments->print_capabilities)
                return server_print_capabilities(type) < 0;
        log_error(type->name, "this build serves no devices");
        return 1;
}
