/* SPDX-License-Identifier: MPL-2.0 */
/* The verbs of busbar, in the order of `busbar --help`; each is a file cmd-VERB.c. */
#include "cli/command.h"

const struct command *const commands[] = {
        &command_run,
        &command_create,
        &command_start,
        &command_state,
        &command_kill,
        &command_delete,
        &command_list,
        &command_up,
        &command_down,
        &command_pause,
        &command_resume,
        &command_logs,
        &command_console,
        &command_screenshot,
        &command_input,
        &command_doctor,
        &command_features,
        &command_spec,
        &command_device,
        &command_monitor,
        &command_relay,
        &command_help,
        &command_complete,
        NULL,
};
