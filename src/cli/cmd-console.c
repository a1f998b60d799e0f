/* SPDX-License-Identifier: MPL-2.0 */
/* busbar console: joins this terminal to a console of a machine. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/access.h"
#include "base/cleanup.h"
#include "cli/terminal.h"

static const struct state_console *find_console(const struct machine_state *state, const char *device)
{
        for (size_t i = 0; i < state->n_consoles; i++)
                if (!device || strcmp(state->consoles[i].device, device) == 0)
                        return &state->consoles[i];
        if (device)
                log_error(state->id, "it has no console '%s'", device);
        else
                log_error(state->id, "it has no console");
        return NULL;
}

static void relay(struct terminal *t)
{
        for (;;) {
                struct pollfd fds[] = {
                        { .fd = terminal_input_fd(t), .events = POLLIN },
                        { .fd = t->socket_fd, .events = POLLIN },
                };

                if (poll(fds, 2, -1) < 0 && errno != EINTR)
                        return;
                if (fds[1].revents && !terminal_take_output(t))
                        return;
                if (fds[0].revents && terminal_take_input(t))
                        return;
        }
}

static int console_run(const struct invocation *inv)
{
        auto_cleanup(machine_state_deinit) struct machine_state state;
        auto_cleanup(freep) char *root = access_root(inv);
        const struct state_console *console;
        struct terminal terminal;
        int fd;

        machine_state_init(&state);
        if (!root || !access_load(root, inv->operands[0], &state))
                return STATUS_FAILED;
        if (state.status == MACHINE_STOPPED) {
                log_error(state.id, "it is stopped; `busbar logs --console %s` shows what its console said", state.id);
                return STATUS_FAILED;
        }
        console = find_console(&state, inv->n_operands > 1 ? inv->operands[1] : NULL);
        if (!console)
                return STATUS_FAILED;
        fd = fd_unix_connect(console->socket_path);
        if (fd < 0) {
                log_error(state.id, "console %s: %s", console->device, strerror(-fd));
                return STATUS_FAILED;
        }
        terminal_open(&terminal, fd);
        if (terminal.is_raw)
                log_info(state.id, "console %s; Ctrl-] leaves it", console->device);
        relay(&terminal);
        terminal_close(&terminal);
        return STATUS_OK;
}

const struct command command_console = {
        .name = "console",
        .summary = "Join this terminal to a console of a machine",
        .usage = "ID [DEVICE]",
        .description =
                "Without DEVICE it is the first console of the bundle. Ctrl-] leaves it. "
                "When standard input is no terminal,\n"
                "what it holds is sent, and the console's text is printed until the machine ends.",
        .n_operands_min = 1,
        .n_operands_max = 2,
        .run = console_run,
        .complete = complete_machine,
};
