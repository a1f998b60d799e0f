/* SPDX-License-Identifier: MPL-2.0 */
#include "cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "runtime/bundle.h"
#include "runtime/store.h"
#include "runtime/supervisor.h"
#include "cli/access.h"

static int make_plan(const struct bundle *bundle, const char *root, const struct launch_options *options,
                     struct launched *l)
{
        struct plan_options plan = {
                .run_dir = root,
                .id = l->id,
                .platform = options->platform,
                .parameters = options->parameters,
        };
        auto_cleanup(freep) char *error = NULL;
        int r;

        r = plan_new_single(bundle, &plan, &l->plan, &error);
        if (r == 0)
                return STATUS_OK;
        log_error(l->id, "%s", error ? error : strerror(-r));
        return STATUS_FAILED;
}

static int start(const struct invocation *inv, const struct run_dir *dir, const struct launch_options *options,
                 uint64_t begin_ns, struct launched *l)
{
        auto_cleanup(closep) int report_fd = -1;
        auto_cleanup(closep) int orders_fd = -1;
        struct supervisor_options supervisor;
        int r;

        r = report_pipe(&l->report_fd, &report_fd);
        if (r == 0 && !options->outlives)
                r = report_pipe(&orders_fd, &l->orders_fd);
        if (r < 0)
                return r;
        supervisor = (struct supervisor_options){
                .dir = dir,
                .machine = &l->plan->machines[0],
                .plan = l->plan,
                .program = inv->globals->program,
                .mode = options->mode,
                .report_fd = report_fd,
                .orders_fd = orders_fd,
                .begin_ns = begin_ns,
        };
        l->janitor = supervisor_start(&supervisor);
        return l->janitor < 0 ? l->janitor : 0;
}

int launch_open_log(const char *folder)
{
        auto_cleanup(freep) char *path = path_join(folder, "log");

        return path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600) : -1;
}

void launch_log_folder_error(const char *id, const char *root, int error)
{
        if (error == -EEXIST)
                log_error(id, "there is already a machine of this name");
        else if (error == -EACCES || error == -EPERM || error == -EROFS)
                log_error(id,
                          "its folder below %s cannot be made: %s; set XDG_RUNTIME_DIR, or name a folder of your own: "
                          "`busbar --root DIR ...`",
                          root, strerror(-error));
        else
                log_error(id, "its folder below %s cannot be made: %s", root, strerror(-error));
}

static int launch_planned(const struct invocation *inv, const char *root, const struct launch_options *options,
                          uint64_t begin_ns, struct launched *l)
{
        auto_cleanup(run_dir_deinitp) struct run_dir dir = RUN_DIR_NONE;
        int r;

        r = store_create(root, l->id, &dir);
        if (r < 0) {
                launch_log_folder_error(l->id, root, r);
                return STATUS_FAILED;
        }
        l->log_fd = launch_open_log(dir.path);
        r = start(inv, &dir, options, begin_ns, l);
        if (r == 0)
                return STATUS_OK;
        (void) run_dir_remove(dir.path);
        log_error(l->id, "its supervisor cannot be started: %s", strerror(-r));
        return STATUS_FAILED;
}

int launch(const struct invocation *inv, const struct launch_options *options, struct launched *ret)
{
        auto_cleanup(launched_deinit) struct launched l = LAUNCHED_NONE;
        auto_cleanup(bundle_freep) struct bundle *bundle = NULL;
        auto_cleanup(freep) char *root = access_root(inv);
        auto_cleanup(freep) char *error = NULL;
        uint64_t begin_ns = clock_now_ns();
        int r;

        if (!root)
                return STATUS_FAILED;
        r = bundle_load(options->bundle, &bundle, &error);
        if (r < 0) {
                log_error(inv->command->name, "%s", error ? error : strerror(-r));
                return STATUS_FAILED;
        }
        l.id = strdup(options->id ? options->id : bundle->name);
        if (!l.id)
                return STATUS_FAILED;
        if (!run_name_valid(l.id)) {
                log_error(inv->command->name, "'%s' cannot be a machine's id: letters, digits and '-_.+' can", l.id);
                return STATUS_FAILED;
        }
        r = make_plan(bundle, root, options, &l);
        if (r == STATUS_OK)
                r = launch_planned(inv, root, options, begin_ns, &l);
        if (r != STATUS_OK)
                return r;
        *ret = l;
        l = (struct launched) LAUNCHED_NONE;
        return STATUS_OK;
}

void launch_log_end(const char *id, const json_t *report)
{
        const char *how = report_text(report, "how"), *text = report_text(report, "text");

        if (*text)
                log_error(id, "%s: %s", how, text);
        else if (strcmp(how, "powered-off") != 0)
                log_error(id, "%s", how);
}

void launch_show_log(int log_fd)
{
        char text[LAUNCH_LOG_TAIL_BYTES + 1], *from = text;
        off_t size = log_fd < 0 ? -1 : lseek(log_fd, 0, SEEK_END), at = MAX(size - LAUNCH_LOG_TAIL_BYTES, 0);
        ssize_t n = size < 0 ? -1 : pread(log_fd, text, LAUNCH_LOG_TAIL_BYTES, at);

        if (n <= 0)
                return;
        text[n] = '\0';
        if (at > 0 && strchr(text, '\n'))
                from = strchr(text, '\n') + 1;
        for (char *line = strtok(from, "\n"); line; line = strtok(NULL, "\n"))
                fprintf(stderr, "  %s\n", line);
}

int launch_wait_created(struct launched *l)
{
        json_t *report;
        bool is_created = false, is_ended = false;

        while (!is_created && report_receive(&l->reports, l->report_fd, &report) > 0) {
                is_created = strcmp(report_text(report, "event"), "created") == 0;
                if (strcmp(report_text(report, "event"), "ended") == 0) {
                        launch_log_end(l->id, report);
                        launch_show_log(l->log_fd);
                        is_ended = true;
                }
                json_decref(report);
        }
        if (is_created)
                return STATUS_OK;
        if (!is_ended)
                log_error(l->id, "its supervisor was killed");
        (void) launch_wait_end(l->janitor);
        return STATUS_FAILED;
}

int launch_wait_end(pid_t janitor)
{
        int status;

        while (waitpid(janitor, &status, 0) < 0)
                if (errno != EINTR)
                        return STATUS_FAILED;
        return WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_FAILED;
}

void launched_deinit(struct launched *l)
{
        fd_close(&l->report_fd);
        fd_close(&l->orders_fd);
        fd_close(&l->log_fd);
        l->plan = plan_free(l->plan);
        free(l->id);
        l->id = NULL;
}
