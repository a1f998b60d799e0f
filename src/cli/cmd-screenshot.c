/* SPDX-License-Identifier: MPL-2.0 */
/*
 * busbar screenshot: what a screen shows at this moment, as a PNG.
 *
 * The display server writes into memory that it is given, so that it needs no right to write files, and neither a full
 * disk nor a reader that is slow is any business of its.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/access.h"
#include "cli/cockpit.h"
#include "runtime/control-client.h"
#include "runtime/plan.h"
#include "runtime/run-dir.h"

static const struct command_option options[] = {
        { .name = "output", .letter = 'o', .argument = "FILE",
          .help = "where to (default: SCREEN.png); - is standard output" },
        { .name = NULL },
};

/* Return: an fd whose file holds the picture; -1 after an error was logged. */
static int take(const struct cockpit *c, const char *screen)
{
        auto_cleanup(freep) char *path = path_join(c->folder, PLAN_DISPLAYS_CONTROL);
        auto_cleanup(freep) char *error = NULL;
        auto_cleanup(closep) int fd = memfd_create("screenshot", MFD_CLOEXEC);
        int r = -ENOMEM;

        if (fd < 0)
                log_error(c->name, "memfd_create: %s", strerror(errno));
        else if (path)
                r = control_call_fd(path, json_pack("{ss}", "screenshot", screen), fd, REQUEST_TIMEOUT_MS, NULL,
                                    &error);
        if (r == 0)
                return take_fd(&fd);
        if (r == -ENOENT || r == -ECONNREFUSED)
                log_error(c->name, "its display server does not answer: no machine shows anything, or it is being "
                                   "started again");
        else if (fd >= 0)
                log_error(c->name, "screen %s: %s", screen, error ? error : strerror(-r));
        return -1;
}

static int copy_all(int from, int to)
{
        char buf[65536];
        off_t at = 0;
        ssize_t n;

        while ((n = pread(from, buf, sizeof(buf), at)) > 0) {
                int r = fd_write_full(to, buf, (size_t) n);

                if (r < 0)
                        return r;
                at += n;
        }
        return n < 0 ? -errno : at > 0 ? 0 : -ENODATA;
}

static int save(int from, const char *path)
{
        auto_cleanup(closep) int to = -1;
        int r;

        if (strcmp(path, "-") == 0)
                return copy_all(from, STDOUT_FILENO);
        to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
        if (to < 0)
                return -errno;
        r = copy_all(from, to);
        if (r == 0 && close(take_fd(&to)) < 0)
                r = -errno;
        return r;
}

static int screenshot_run(const struct invocation *inv)
{
        auto_cleanup(cockpit_deinit) struct cockpit c = { 0 };
        auto_cleanup(freep) char *standard = NULL;
        auto_cleanup(closep) int fd = -1;
        const char *path = invocation_value(inv, "output");
        const struct scene_screen *screen;
        int r;

        if (cockpit_open(inv, inv->operands[0], &c) != STATUS_OK)
                return STATUS_FAILED;
        screen = cockpit_find_screen(&c, inv->n_operands > 1 ? inv->operands[1] : NULL);
        if (!screen || (!path && asprintf(&standard, "%s.png", screen->name) < 0))
                return STATUS_FAILED;
        path = path ? path : standard;
        fd = take(&c, screen->name);
        if (fd < 0)
                return STATUS_FAILED;
        r = save(fd, path);
        if (r == 0)
                return STATUS_OK;
        log_error(c.name, "%s: %s", path, strerror(-r));
        return STATUS_FAILED;
}

const struct command command_screenshot = {
        .name = "screenshot",
        .summary = "Save what a screen shows as a PNG",
        .usage = "SYSTEM [SCREEN]",
        .description =
                "SYSTEM is a system's name or file, or the id of a machine that runs by itself, "
                "whose screens are called like\n"
                "its displays. Without SCREEN it is the first. The picture is that of all guests as composed, "
                "covers of\n"
                "violated guards included.",
        .options = options,
        .n_operands_min = 1,
        .n_operands_max = 2,
        .run = screenshot_run,
        .complete = complete_cockpit,
};
