/* SPDX-License-Identifier: MPL-2.0 */
/* busbar kill: a signal, as far as it means something to a machine. */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/access.h"

static const struct command_option options[] = {
        { .name = "all",
          .letter = 'a',
          .help = "accepted for container engines, no effect: a machine is one thing",
          .hidden = true },
        { .name = NULL },
};

/* "9", "SIGKILL", "kill" → "KILL"; what is no signal stays as it is, and is refused by the supervisor. */
static const char *signal_name(const char *text, char *buf, size_t n)
{
        char *end;
        long number = strtol(text, &end, 10);

        if (*text && !*end && number > 0 && number < NSIG && sigabbrev_np((int) number))
                return sigabbrev_np((int) number);
        if (strncasecmp(text, "SIG", 3) == 0)
                text += 3;
        (void) snprintf(buf, n, "%s", text);
        for (char *c = buf; *c; c++)
                *c = (char) toupper((unsigned char) *c);
        return buf;
}

static int kill_run(const struct invocation *inv)
{
        const char *text = inv->n_operands > 1 ? inv->operands[1] : "TERM";
        char name[32];

        return access_request(inv, inv->operands[0],
                              json_pack("{ss, ss}", "op", "kill", "signal", signal_name(text, name, sizeof(name))));
}

static void kill_complete(const struct globals *globals, unsigned index, FILE *out)
{
        complete_machine(globals, index, out);
        if (index == 1)
                fputs("TERM\nINT\nQUIT\nPWR\nKILL\n", out);
}

const struct command command_kill = {
        .name = "kill",
        .summary = "Send a signal to a machine",
        .usage = "ID [SIGNAL]",
        .description =
                "TERM (the default), INT, QUIT and PWR ask the guest to power down, as its power button would; "
                "whether\n"
                "and when it does is the guest's affair, and nothing is forced afterwards: `busbar down` and\n"
                "container engines do that. A machine that was created and not started ends with them.\n"
                "KILL ends the machine at once. 0 only checks that there is one. Others are refused.",
        .options = options,
        .n_operands_min = 1,
        .n_operands_max = 2,
        .run = kill_run,
        .complete = kill_complete,
};
