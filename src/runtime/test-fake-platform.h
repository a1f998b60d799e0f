/* SPDX-License-Identifier: MPL-2.0 */
/* For tests of supervisors: a platform that is none. A process that sleeps stands for the monitor. */
#pragma once

#include <signal.h>
#include <stdlib.h>

#include "base/macros.h"
#include "base/process.h"
#include "platform/platform.h"

struct fake {
        struct platform_instance instance;
        const struct platform_events *events;
        void *data;
        struct process process;
        struct task ready, running;
        bool run;
        enum machine_end how;
};

static const struct platform_ops fake_platform;

static void on_fake_end(struct process *p, int status)
{
        struct fake *f = container_of(p, struct fake, process);

        f->events->ended(f->data, f->how, f->how == END_FAILED ? "the monitor died" : "");
}

static void on_fake_ready(struct task *t)
{
        struct fake *f = container_of(t, struct fake, ready);

        f->events->ready(f->data);
}

static void on_fake_running(struct task *t)
{
        struct fake *f = container_of(t, struct fake, running);

        f->events->running(f->data, f->run);
}

static int fake_bring_up(struct loop *loop, const struct machine *m, const struct platform_probe *probe,
                         const struct platform_events *events, void *data, struct platform_instance **ret,
                         char **ret_error)
{
        const char *const argv[] = { "sleep", "1000", NULL };
        struct fake *f = calloc(1, sizeof(*f));
        int r;

        f->instance.ops = &fake_platform;
        f->events = events;
        f->data = data;
        f->how = END_FAILED;
        r = process_start(&f->process, loop, &(struct process_spec){ .argv = argv }, on_fake_end);
        if (r < 0)
                return r;
        f->running.loop = NULL;
        task_schedule(&f->ready, loop, on_fake_ready);
        *ret = &f->instance;
        return 0;
}

static int set_running(struct platform_instance *i, bool run)
{
        struct fake *f = container_of(i, struct fake, instance);

        f->run = run;
        task_schedule(&f->running, f->process.watch.loop, on_fake_running);
        return 0;
}

static int fake_resume(struct platform_instance *i) { return set_running(i, true); }
static int fake_pause(struct platform_instance *i) { return set_running(i, false); }

static int fake_power_down(struct platform_instance *i)
{
        struct fake *f = container_of(i, struct fake, instance);

        f->how = END_POWERED_OFF;
        return process_signal(&f->process, SIGKILL);
}

static int deaf_power_down(struct platform_instance *i) { return 0; }

static int fake_kill(struct platform_instance *i)
{
        struct fake *f = container_of(i, struct fake, instance);

        f->how = END_KILLED;
        return process_signal(&f->process, SIGKILL);
}

static struct platform_instance *fake_free(struct platform_instance *i)
{
        struct fake *f = container_of(i, struct fake, instance);

        process_deinit(&f->process);
        task_cancel(&f->ready);
        task_cancel(&f->running);
        free(f);
        return NULL;
}

static const struct platform_ops fake_platform = {
        .name = "fake",
        .bring_up = fake_bring_up,
        .resume = fake_resume,
        .pause = fake_pause,
        .power_down = fake_power_down,
        .kill = fake_kill,
        .free = fake_free,
};

/* Its guest does not react to being asked to power down. */
static const struct platform_ops deaf_platform __attribute__((unused)) = {
        .name = "deaf",
        .bring_up = fake_bring_up,
        .resume = fake_resume,
        .pause = fake_pause,
        .power_down = deaf_power_down,
        .kill = fake_kill,
        .free = fake_free,
};

/* Is brought up while its servers start. */
static const struct platform_ops eager_platform __attribute__((unused)) = {
        .name = "eager",
        .waits_for_servers = true,
        .bring_up = fake_bring_up,
        .resume = fake_resume,
        .pause = fake_pause,
        .power_down = fake_power_down,
        .kill = fake_kill,
        .free = fake_free,
};
