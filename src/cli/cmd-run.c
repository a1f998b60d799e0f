/* SPDX-License-Identifier: MPL-2.0 */
/*
 * busbar run: a machine in the foreground. This process is the machine's starter: it holds the pipe of orders, so the
 * machine ends with it, and it only watches: reports, console, signals.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "cli/access.h"
#include "cli/foreground.h"
#include "cli/launch.h"
#include "cli/terminal.h"

static const struct command_option options[] = {
        { .name = "bundle",
          .letter = 'b',
          .argument = "DIR",
          .help = "the bundle; an operand is the machine's id then" },
        { .name = "platform", .argument = "NAME", .help = "hypervisor to use (default: auto)" },
        { .name = "parameters", .argument = "TEXT", .help = "added to the kernel's command line" },
        { .name = NULL },
};

struct session {
        struct launched *launched;
        struct terminal terminal;
};

/* Before the guest runs, so that nothing of what it says is missed. */
static void join_console(struct session *s)
{
        const struct planned_machine *m = &s->launched->plan->machines[0];
        int fd = m->n_consoles > 0 ? fd_unix_connect(m->consoles[0].socket_path) : -1;

        if (fd < 0 && m->n_consoles > 0)
                log_warning(s->launched->id, "console %s: %s", m->consoles[0].device, strerror(-fd));
        terminal_open(&s->terminal, fd < 0 ? -1 : fd);
        if (s->terminal.is_raw)
                log_info(s->launched->id, "console %s; Ctrl-] powers the machine down", m->consoles[0].device);
}

static bool on_report(void *data, const json_t *report)
{
        struct session *s = data;

        if (strcmp(report_text(report, "event"), "ended") != 0)
                return true;
        terminal_drain(&s->terminal);
        terminal_close(&s->terminal);
        launch_log_end(s->launched->id, report);
        return false;
}

/* A folder with a config.json is a bundle; any other word is an id. */
static bool is_bundle(const char *word)
{
        auto_cleanup(freep) char *config = path_join(word, "config.json");
        struct stat st;

        return strchr(word, '/') || (config && stat(config, &st) == 0);
}

static int run_run(const struct invocation *inv)
{
        auto_cleanup(launched_deinit) struct launched l = LAUNCHED_NONE;
        const char *bundle = invocation_value(inv, "bundle"), *word = inv->n_operands > 0 ? inv->operands[0] : NULL;
        bool word_is_bundle = word && !bundle && is_bundle(word);
        struct launch_options launch_options = {
                .bundle = word_is_bundle ? word
                          : bundle       ? bundle
                                         : ".",
                .id = word_is_bundle ? NULL : word,
                .platform = invocation_value(inv, "platform"),
                .parameters = invocation_value(inv, "parameters"),
                .mode = JANITOR_REMOVE,
        };
        struct session session = { .launched = &l, .terminal.socket_fd = -1 };
        struct foreground foreground;
        int r;

        (void) signal(SIGPIPE, SIG_IGN);
        r = launch(inv, &launch_options, &l);
        if (r == STATUS_OK)
                r = launch_wait_created(&l);
        if (r != STATUS_OK)
                return r;
        foreground = (struct foreground){
                .subject = l.id,
                .reports = &l.reports,
                .report_fd = l.report_fd,
                .orders_fd = l.orders_fd,
                .signal_fd = foreground_open_signals(),
                .terminal = &session.terminal,
                .report = on_report,
                .data = &session,
        };
        join_console(&session);
        report_send(l.orders_fd, json_pack("{ss}", "order", "start"));
        foreground_watch(&foreground);
        terminal_close(&session.terminal);
        fd_close(&foreground.signal_fd);
        return launch_wait_end(l.janitor);
}

const struct command command_run = {
        .name = "run",
        .summary = "Run a machine in the foreground until it ends",
        .usage = "[BUNDLE | ID]",
        .description =
                "Creates the machine, starts it, and joins its first console to this terminal. "
                "Nothing of it is left at the\n"
                "end. The operand is a bundle if it is a folder with a config.json (or has a slash), "
                "otherwise an id for the\n"
                "bundle in the current folder. Ctrl-], ^C where standard input is no terminal, "
                "and SIGTERM ask the guest to\n"
                "power down; the second one ends the machine at once, as the end of this process does.\n"
                "\n"
                "Exit status: 0 powered off, 1 failed, 2 wrong command line, "
                "3 the guest asked for a reset that the platform\n"
                "does not do, 4 the guest panicked, 5 its CPU crashed, 137 killed.",
        .options = options,
        .n_operands_max = 1,
        .run = run_run,
};
