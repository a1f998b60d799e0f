/* SPDX-License-Identifier: MPL-2.0 */
/* The verbs of a program that serves one type of device, which busbar becomes for `busbar device TYPE`. */
#include "cli/command.h"

const struct command *const commands[] = {
        &command_device,
        &command_help,
        &command_complete,
        NULL,
};
