/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/life.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macros.h"
#include "monitor/arch.h"
#include "monitor/devices.h"
#include "monitor/spec.h"
#include "monitor/vcpu.h"

void life_resume(struct monitor *m)
{
        if (m->running)
                return;
        devices_resume(m->devices);
        arch_set_paused(m, false);
        for (unsigned i = 0; i < m->n_vcpus; i++)
                vcpu_resume(m->vcpus[i]);
        m->running = true;
}

void life_pause(struct monitor *m)
{
        if (!m->running)
                return;
        m->running = false;
        /* A vCPU that handles an exit waits for the lock, and we would wait for it. */
        pthread_mutex_unlock(&m->lock);
        for (unsigned i = 0; i < m->n_vcpus; i++)
                vcpu_pause(m->vcpus[i]);
        for (unsigned i = 0; i < m->n_vcpus; i++)
                vcpu_wait_paused(m->vcpus[i]);
        pthread_mutex_lock(&m->lock);
        arch_set_paused(m, true);
        devices_pause(m->devices);
}

int life_power_down(struct monitor *m)
{
        return m->running ? arch_power_button(m) : -EAGAIN;
}

static void on_signal(struct watch *w, uint32_t events)
{
        struct signals *s = container_of(w, struct signals, watch);
        struct monitor *m = s->monitor;
        struct signalfd_siginfo info;
        char text[32];
        int r = -EINTR;

        if (read(s->fd, &info, sizeof(info)) != sizeof(info))
                return;
        if (info.ssi_signo == SIGTERM && !s->asked) {
                s->asked = true;
                r = life_power_down(m);
        }
        if (r == 0) {
                log_info(m->spec->name, "SIGTERM: the power button is pressed; a second one stops the machine");
                return;
        }
        (void) snprintf(text, sizeof(text), "by SIG%s", sigabbrev_np((int) info.ssi_signo));
        monitor_end(m, MONITOR_STOPPED, text);
}

int signals_init(struct signals *s, struct monitor *m)
{
        *s = (struct signals){ .monitor = m, .fd = -1 };
        sigemptyset(&s->set);
        sigaddset(&s->set, SIGTERM);
        sigaddset(&s->set, SIGINT);
        (void) signal(SIGPIPE, SIG_IGN);
        s->fd = signalfd(-1, &s->set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (s->fd < 0)
                return -errno;
        return watch_start(&s->watch, m->loop, s->fd, EPOLLIN, on_signal);
}

void signals_take_over(const struct signals *s) { (void) pthread_sigmask(SIG_BLOCK, &s->set, NULL); }

void signals_deinit(struct signals *s)
{
        watch_stop(&s->watch);
        fd_close(&s->fd);
}
