/* SPDX-License-Identifier: MPL-2.0 */
/* busbar create: servers serve, the platform is up, the guest's CPUs stand still until `start`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/access.h"
#include "cli/launch.h"
#include "runtime/store.h"

static const struct command_option options[] = {
        { .name = "bundle", .letter = 'b', .argument = "DIR", .help = "the bundle (default: the current folder)" },
        { .name = "pid-file", .argument = "FILE", .help = "where to write the process id of the machine" },
        { .name = "platform", .argument = "NAME", .help = "hypervisor to use (default: auto)" },
        { .name = "parameters", .argument = "TEXT", .help = "added to the kernel's command line" },
        { .name = "console-socket",
          .argument = "PATH",
          .help = "refused: a machine's console is a socket of its own, see `busbar console`",
          .hidden = true },
        { .name = "no-pivot", .help = "accepted for container engines, no effect", .hidden = true },
        { .name = "no-new-keyring", .help = "accepted for container engines, no effect", .hidden = true },
        { .name = "preserve-fds",
          .argument = "N",
          .help = "accepted for container engines, no effect",
          .hidden = true },
        { .name = NULL },
};

static int write_pid_file(const char *path, pid_t pid)
{
        char text[32];
        int n = snprintf(text, sizeof(text), "%d", pid);

        return fd_write_file_atomic(path, text, (size_t) n, 0644);
}

/* A creation that fails leaves nothing. */
static void undo(const struct invocation *inv, const char *id)
{
        auto_cleanup(freep) char *root = access_root(inv);
        auto_cleanup(freep) char *folder = root ? path_join(root, id) : NULL;

        (void) access_request(inv, id, json_pack("{ss, si}", "op", "stop", "graceMs", 0));
        if (folder && run_dir_wait(folder, REQUEST_TIMEOUT_MS) == 0)
                (void) store_delete(root, id);
}

static int create_run(const struct invocation *inv)
{
        auto_cleanup(launched_deinit) struct launched l = LAUNCHED_NONE;
        const char *pid_file = invocation_value(inv, "pid-file"), *bundle = invocation_value(inv, "bundle");
        struct launch_options launch_options = {
                .bundle = bundle ? bundle : ".",
                .id = inv->operands[0],
                .platform = invocation_value(inv, "platform"),
                .parameters = invocation_value(inv, "parameters"),
                .mode = JANITOR_KEEP,
                .outlives = true,
        };
        int r;

        if (invocation_has(inv, "console-socket")) {
                log_error(inv->operands[0],
                          "--console-socket: a machine has no terminal of the host's to hand over "
                          "(\"terminal\" has no meaning for it); `busbar console` reaches its consoles");
                return STATUS_FAILED;
        }
        r = launch(inv, &launch_options, &l);
        if (r == STATUS_OK)
                r = launch_wait_created(&l);
        if (r != STATUS_OK || !pid_file)
                return r;
        r = write_pid_file(pid_file, l.janitor);
        if (r == 0)
                return STATUS_OK;
        log_error(l.id, "%s: %s", pid_file, strerror(-r));
        undo(inv, l.id);
        return STATUS_FAILED;
}

const struct command command_create = {
        .name = "create",
        .summary = "Create a machine from a bundle, ready to be started",
        .usage = "ID",
        .description =
                "Starts the device servers and the hypervisor; the guest's CPUs stand still until `busbar start`.\n"
                "The process id (of --pid-file and `busbar state`) is that of a process that lives as long as the\n"
                "machine; its exit status says how the machine ended, as that of `busbar run` does.",
        .options = options,
        .n_operands_min = 1,
        .n_operands_max = 1,
        .run = create_run,
};
