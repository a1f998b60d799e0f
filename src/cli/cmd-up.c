/* SPDX-License-Identifier: MPL-2.0 */
/*
 * busbar up: the machines of a system. In the foreground this process is the starter: it holds the pipe of orders, so
 * the system ends with it, and prints what is reported.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "cli/access.h"
#include "cli/foreground.h"
#include "cli/launch.h"
#include "runtime/store.h"
#include "runtime/system-supervisor.h"

static const struct command_option options[] = {
        { .name = "detach", .letter = 'd', .help = "return when all machines run; `busbar down` ends them" },
        { .name = NULL },
};

struct up {
        const struct invocation *inv;
        struct system *system; /* owned, as all that follows */
        struct plan *plan;
        struct run_dir dir;
        struct run_dir *machine_dirs; /* as many as the plan's machines; those not made yet are RUN_DIR_NONE */
        int *log_fds;
        int report_fd, orders_fd;
        struct report_reader reports;
        pid_t janitor;
        bool has_failed;
};

static void up_deinit(struct up *u)
{
        for (size_t i = 0; u->plan && i < u->plan->n_machines; i++) {
                if (u->machine_dirs)
                        run_dir_deinit(&u->machine_dirs[i]);
                if (u->log_fds)
                        fd_close(&u->log_fds[i]);
        }
        free(u->machine_dirs);
        free(u->log_fds);
        run_dir_deinit(&u->dir);
        fd_close(&u->report_fd);
        fd_close(&u->orders_fd);
        u->plan = plan_free(u->plan);
        u->system = system_free(u->system);
}

static int load(struct up *u, const char *root)
{
        struct plan_options plan = { .run_dir = root };
        auto_cleanup(freep) char *error = NULL;
        auto_cleanup(freep) char *inside = NULL;
        const char *path = u->inv->operands[0];
        struct stat st;
        int r;

        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
                inside = path_join(path, "system.json");
                path = inside ? inside : path;
        }
        r = system_load(path, &u->system, &error);
        if (r == 0)
                r = plan_new_system(u->system, &plan, &u->plan, &error);
        if (r == 0)
                return STATUS_OK;
        log_error("up", "%s", error ? error : strerror(-r));
        return STATUS_FAILED;
}

/* All folders are made, and so all names taken, before anything is started. */
static int make_folders(struct up *u, const char *root)
{
        auto_cleanup(freep) char *name = NULL;
        size_t n = u->plan->n_machines;
        int r;

        u->machine_dirs = calloc(n + 1, sizeof(*u->machine_dirs));
        u->log_fds = calloc(n + 1, sizeof(*u->log_fds));
        if (!u->machine_dirs || !u->log_fds || asprintf(&name, "@%s", u->system->name) < 0)
                return STATUS_FAILED;
        for (size_t i = 0; i < n; i++) {
                u->machine_dirs[i] = RUN_DIR_NONE;
                u->log_fds[i] = -1;
        }
        r = run_name_valid(u->system->name) ? store_create(root, name, &u->dir) : -EINVAL;
        if (r == -EEXIST)
                log_error(u->system->name, "this system is up already");
        else if (r == -EINVAL)
                log_error(u->system->name, "it cannot be called so: letters, digits and '-_.+' can be used");
        else if (r < 0)
                launch_log_folder_error(u->system->name, root, r);
        if (r < 0)
                return STATUS_FAILED;
        for (size_t i = 0; i < n; i++) {
                const char *id = u->plan->machines[i].machine.id;

                r = run_name_valid(id) ? store_create(root, id, &u->machine_dirs[i]) : -EINVAL;
                if (r == 0) {
                        u->log_fds[i] = launch_open_log(u->machine_dirs[i].path);
                        continue;
                }
                launch_log_folder_error(id, root, r);
                return STATUS_FAILED;
        }
        return STATUS_OK;
}

static void remove_folders(struct up *u)
{
        for (size_t i = 0; u->machine_dirs && i < u->plan->n_machines; i++)
                if (u->machine_dirs[i].path)
                        (void) run_dir_remove(u->machine_dirs[i].path);
        if (u->dir.path)
                (void) run_dir_remove(u->dir.path);
}

static int start(struct up *u, uint64_t begin_ns)
{
        auto_cleanup(closep) int report_fd = -1;
        auto_cleanup(closep) int orders_fd = -1;
        struct system_supervisor_options supervisor;
        int r;

        r = report_pipe(&u->report_fd, &report_fd);
        if (r == 0 && !invocation_has(u->inv, "detach"))
                r = report_pipe(&orders_fd, &u->orders_fd);
        if (r < 0)
                return r;
        supervisor = (struct system_supervisor_options){
                .name = u->system->name,
                .dir = &u->dir,
                .machine_dirs = u->machine_dirs,
                .plan = u->plan,
                .program = u->inv->globals->program,
                .report_fd = report_fd,
                .orders_fd = orders_fd,
                .begin_ns = begin_ns,
        };
        u->janitor = system_supervisor_start(&supervisor);
        if (u->janitor < 0)
                return u->janitor;
        /* The locks are the supervisor's now. */
        run_dir_deinit(&u->dir);
        for (size_t i = 0; i < u->plan->n_machines; i++)
                run_dir_deinit(&u->machine_dirs[i]);
        return 0;
}

static void show_machine_log(const struct up *u, const char *id)
{
        for (size_t i = 0; i < u->plan->n_machines; i++)
                if (strcmp(u->plan->machines[i].machine.id, id) == 0)
                        launch_show_log(u->log_fds[i]);
}

static void print_end(struct up *u, const char *id, const json_t *report)
{
        const char *how = report_text(report, "how"), *text = report_text(report, "text");
        bool again = json_is_true(json_object_get(report, "again"));

        if (strcmp(how, "powered-off") == 0)
                how = "powered off";
        printf("%s: %s%s%s%s\n", id, how, *text ? ": " : "", text, again ? "; starts again" : "");
        (void) fflush(stdout);
        if (strcmp(how, "failed") == 0) {
                u->has_failed = true;
                show_machine_log(u, id);
        }
}

static void print_machine(struct up *u, const json_t *report)
{
        const char *id = report_text(report, "id"), *what = report_text(report, "what");
        double seconds = (double) json_integer_value(json_object_get(report, "ms")) / 1000;

        if (strcmp(what, "ended") == 0)
                print_end(u, id, report);
        else if (strcmp(what, "servers-ready") == 0)
                printf("%s: servers ready %.2f s\n", id, seconds);
        else if (strcmp(what, "server-restarted") == 0)
                printf("%s: server %s died and serves again\n", id, report_text(report, "server"));
        else if (strcmp(what, "created") != 0)
                printf("%s: %s %.2f s\n", id, what, seconds);
}

static bool on_report(void *data, const json_t *report)
{
        struct up *u = data;
        const char *event = report_text(report, "event");
        bool goes_on = true;

        if (strcmp(event, "machine") == 0)
                print_machine(u, report);
        else if (strcmp(event, "server-restarted") == 0)
                printf("%s: died and serves again\n", report_text(report, "server"));
        else if (strcmp(event, "guard") == 0)
                printf("display %s: guard %s %s\n", report_text(report, "display"), report_text(report, "guard"),
                       json_is_true(json_object_get(report, "violated")) ? "is violated" : "holds again");
        else if (strcmp(event, "up") == 0)
                goes_on = !invocation_has(u->inv, "detach");
        else if (strcmp(event, "ended") == 0) {
                /* What a machine had to say was printed when it said it. */
                if (strcmp(report_text(report, "how"), "failed") == 0 && !u->has_failed)
                        launch_log_end(u->system->name, report);
                u->has_failed = true;
                goes_on = false;
        }
        (void) fflush(stdout);
        return goes_on;
}

static int up_run(const struct invocation *inv)
{
        auto_cleanup(up_deinit) struct up u = {
                .inv = inv, .dir = RUN_DIR_NONE, .report_fd = -1, .orders_fd = -1
        };
        auto_cleanup(freep) char *root = access_root(inv);
        struct foreground foreground;
        uint64_t begin_ns = clock_now_ns();
        int r;

        (void) signal(SIGPIPE, SIG_IGN);
        if (!root || load(&u, root) != STATUS_OK)
                return STATUS_FAILED;
        r = make_folders(&u, root);
        if (r == STATUS_OK && (r = start(&u, begin_ns)) < 0)
                log_error(u.system->name, "its supervisor cannot be started: %s", strerror(-r));
        if (r != STATUS_OK) {
                remove_folders(&u);
                return STATUS_FAILED;
        }
        foreground = (struct foreground){
                .subject = u.system->name,
                .reports = &u.reports,
                .report_fd = u.report_fd,
                .orders_fd = u.orders_fd,
                /* Detached, ^C only ends the waiting: the system is not ours any more. */
                .signal_fd = invocation_has(inv, "detach") ? -1 : foreground_open_signals(),
                .report = on_report,
                .data = &u,
        };
        foreground_watch(&foreground);
        fd_close(&foreground.signal_fd);
        if (invocation_has(inv, "detach"))
                return u.has_failed ? STATUS_FAILED : STATUS_OK;
        return launch_wait_end(u.janitor);
}

const struct command command_up = {
        .name = "up",
        .summary = "Bring the machines of a system up",
        .usage = "SYSTEM",
        .description =
                "SYSTEM is a file, or a folder with a system.json. "
                "In the foreground it ends when all machines have ended and\n"
                "none is to be started again; ^C asks all to power down, and the second time ends them at once. "
                "Nothing of\n"
                "the system is left at the end. Exit status: 0 all machines powered off, "
                "otherwise as that of `busbar run`,\n"
                "for the first machine that did not; with --detach 0 all machines run.",
        .options = options,
        .n_operands_min = 1,
        .n_operands_max = 1,
        .run = up_run,
};
