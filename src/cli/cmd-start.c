/* SPDX-License-Identifier: MPL-2.0 */
/* busbar start, pause and resume: the requests without arguments. */
#include "cli/access.h"

static int request_run(const struct invocation *inv)
{
        return access_request(inv, inv->operands[0], json_pack("{ss}", "op", inv->command->name));
}

const struct command command_start = {
        .name = "start",
        .summary = "Let the CPUs of a created machine run",
        .usage = "ID",
        .n_operands_min = 1,
        .n_operands_max = 1,
        .run = request_run,
        .complete = complete_machine,
};

const struct command command_pause = {
        .name = "pause",
        .summary = "Stop the CPUs of a running machine",
        .usage = "ID",
        .description = "The devices stay: what is under way is finished, and nothing new begins until `busbar resume`.",
        .n_operands_min = 1,
        .n_operands_max = 1,
        .run = request_run,
        .complete = complete_machine,
};

const struct command command_resume = {
        .name = "resume",
        .summary = "Let the CPUs of a paused machine run again",
        .usage = "ID",
        .n_operands_min = 1,
        .n_operands_max = 1,
        .run = request_run,
        .complete = complete_machine,
};
