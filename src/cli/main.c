/* SPDX-License-Identifier: MPL-2.0 */
/*
 * busbar: the options before the verb, and the way to a verb's run(); commands.c is the table of verbs.
 *
 * Started as vhost-user-TYPE (a link), the program is `busbar device TYPE`: the vhost-user back-end program
 * conventions name one executable for a device type.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/options.h"

#define SERVER_LINK_PREFIX "vhost-user-"
#define OCI_SPEC_VERSION "1.3.0"

static const char *const log_levels[] = { "error", "warning", "info", "debug", NULL };
static const char *const log_formats[] = { "text", "json", NULL };

const struct command_option global_options[] = {
        { .name = "root", .argument = "DIR",
          .help = "state of machines (default: $XDG_RUNTIME_DIR/busbar or /run/busbar)" },
        { .name = "log", .argument = "FILE", .help = "append log lines to FILE; errors go to stderr too" },
        { .name = "log-format", .argument = "FORMAT", .help = "of --log: text (default) or json",
          .choices = log_formats },
        { .name = "log-level", .argument = "LEVEL", .help = "error, warning, info (default) or debug",
          .choices = log_levels },
        { .name = "debug", .help = "same as --log-level debug" },
        { .name = "version", .letter = 'v', .help = "print the version" },
        /* Given by container engines to every OCI runtime; machines have no cgroup driver to choose. */
        { .name = "systemd-cgroup", .help = "accepted for container engines, no effect", .hidden = true },
        { .name = "rootless", .argument = "WHEN", .help = "accepted for container engines, no effect",
          .hidden = true },
        { .name = NULL },
};

const struct command *command_find(const char *name)
{
        for (size_t i = 0; commands[i]; i++)
                if (strcmp(commands[i]->name, name) == 0)
                        return commands[i];
        return NULL;
}

int usage_error(const char *subject, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        log_linev(LOG_LEVEL_ERROR, subject, format, ap);
        va_end(ap);
        if (command_find(subject))
                fprintf(stderr, "'busbar %s --help' lists what it takes\n", subject);
        else
                fprintf(stderr, "'busbar --help' lists the verbs and options\n");
        return STATUS_USAGE;
}

static const char *default_root(void)
{
        static char path[PATH_MAX];
        const char *runtime_dir = getenv("XDG_RUNTIME_DIR");

        if (geteuid() == 0 || !runtime_dir || runtime_dir[0] != '/')
                return "/run/busbar";
        if (snprintf(path, sizeof(path), "%s/busbar", runtime_dir) >= (int) sizeof(path))
                return "/run/busbar";
        return path;
}

static const char *program_path(const char *fallback)
{
        static char path[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

        return n > 0 ? path : fallback;
}

/* Return: 0, or the status to exit with. */
static int apply_globals(const struct invocation *inv, struct globals *ret)
{
        const char *format = invocation_value(inv, "log-format");
        enum log_level level = LOG_LEVEL_INFO;

        ret->root = invocation_value(inv, "root");
        if (!ret->root)
                ret->root = default_root();
        ret->log_path = invocation_value(inv, "log");
        ret->log_json = format && strcmp(format, "json") == 0;
        ret->log_level = invocation_has(inv, "debug") ? "debug" : invocation_value(inv, "log-level");
        if (ret->log_level && log_level_from_string(ret->log_level, &level) == 0)
                log_set_level(level);
        if (ret->log_path) {
                int fd = open(ret->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);

                if (fd < 0) {
                        log_error("busbar", "--log=%s: %s", ret->log_path, strerror(errno));
                        return STATUS_FAILED;
                }
                log_set_file(fd, ret->log_json);
        }
        return 0;
}

static int run_command(const struct command *command, const struct globals *globals, char **words, size_t n_words)
{
        struct option_list list = { 0 };
        struct invocation inv = { .command = command, .globals = globals, .operands = words, .n_operands = n_words };
        int status;

        if (!command->raw) {
                if (options_parse(command->name, command->options, words, n_words, false, &list) < 0)
                        return STATUS_USAGE;
                inv = (struct invocation) { command, globals, list.values, list.n_values, list.operands,
                                            list.n_operands };
        }
        if (list.help) {
                command_print_help(command, stdout);
                status = STATUS_OK;
        } else if (inv.n_operands < command->n_operands_min)
                status = usage_error(command->name, "expected %s", command->usage);
        else if (inv.n_operands > command->n_operands_max)
                status = usage_error(command->name, "unexpected '%s'", inv.operands[command->n_operands_max]);
        else
                status = command->run(&inv);
        option_list_deinit(&list);
        return status;
}

static int run_program(int argc, char **argv)
{
        struct globals globals = { .program = program_path("busbar"), .argv = argv };
        struct option_list list;
        struct invocation inv;
        const struct command *command;
        int status;

        if (options_parse("busbar", global_options, argv + 1, (size_t) argc - 1, true, &list) < 0)
                return STATUS_USAGE;
        inv = (struct invocation) { .values = list.values, .n_values = list.n_values };
        status = apply_globals(&inv, &globals);
        if (status != 0)
                goto out;
        if (list.help)
                program_print_help(stdout);
        else if (invocation_has(&inv, "version"))
                printf("busbar version %s\nspec: %s\n", BUSBAR_VERSION, OCI_SPEC_VERSION);
        else if (list.n_operands == 0)
                status = usage_error("busbar", "expected a verb");
        else if (!(command = command_find(list.operands[0])))
                status = usage_error("busbar", "unknown verb '%s'", list.operands[0]);
        else
                status = run_command(command, &globals, list.operands + 1, list.n_operands - 1);
out:
        option_list_deinit(&list);
        return status;
}

/* Started as vhost-user-TYPE? Then the words are those of `device TYPE`. */
static int run_server_link(const char *type, int argc, char **argv)
{
        struct globals globals = { .root = default_root(), .program = program_path(argv[0]), .argv = argv };

        argv[0] = (char *) type;
        return run_command(&command_device, &globals, argv, (size_t) argc);
}

/* A descriptor that is missing here would be taken by the next file or socket, and log lines would go into that. */
static int open_standard_fds(void)
{
        int fd;

        do
                fd = open("/dev/null", O_RDWR | O_NOCTTY);
        while (fd >= 0 && fd <= STDERR_FILENO);
        if (fd < 0)
                return -errno;
        return close(fd) < 0 ? -errno : 0;
}

/* What was printed is only done when it has been written. */
static int finish_output(int status)
{
        if (fflush(stdout) == 0 && !ferror(stdout))
                return status;
        log_error("busbar", "standard output: %s", strerror(errno));
        return status == STATUS_OK ? STATUS_FAILED : status;
}

int main(int argc, char **argv)
{
        const char *name;

        if (argc < 1 || open_standard_fds() < 0)
                return STATUS_FAILED;
        name = strrchr(argv[0], '/');
        name = name ? name + 1 : argv[0];
        if (strncmp(name, SERVER_LINK_PREFIX, strlen(SERVER_LINK_PREFIX)) == 0)
                return finish_output(run_server_link(name + strlen(SERVER_LINK_PREFIX), argc, argv));
        return finish_output(run_program(argc, argv));
}
