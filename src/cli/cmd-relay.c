/* SPDX-License-Identifier: MPL-2.0 */
/*
 * busbar relay: for platforms whose hypervisor cannot bear that a device server is started again (vhost/relay.h). One
 * process a machine, one thread a device; it ends with the hypervisor.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "cli/command.h"
#include "sandbox/sandbox.h"
#include "vhost/relay.h"

#define DEVICES_MAX 32
#define FILES_BASE 64
#define FILES_PER_DEVICE 128

static const struct command_option options[] = {
        { .name = "name", .argument = "NAME", .help = "of the machine, for log lines" },
        { .name = "device", .argument = "FD:QUEUES:ID:PATH",
          .help = "the hypervisor's connection of a device, how many queues it has, its id and its server's socket" },
        { .name = "paused", .argument = "FD", .help = "shared memory: not 0 while the machine is paused" },
        { .name = NULL },
};

static const struct sandbox_call calls[] = {
        SANDBOX_CALL("connect"),
        SANDBOX_CALL_IF("socket", 0, 0xffffffffU, AF_UNIX),
        { .name = NULL },
};

struct line {
        struct relay_options options;
        char *name; /* owned */
        pthread_t thread;
        sem_t *begun; /* borrowed */
        int result;
};

/* Return: 0 or -EINVAL. */
static int parse(const char *text, struct line *ret)
{
        unsigned fd, n_rings;
        int n = 0;
        const char *colon;

        if (sscanf(text, "%5u:%5u:%n", &fd, &n_rings, &n) != 2 || n == 0 || n_rings == 0 || n_rings > RELAY_RINGS_MAX)
                return -EINVAL;
        colon = strchr(text + n, ':');
        if (!colon || colon[1] != '/')
                return -EINVAL;
        ret->name = strndup(text + n, (size_t) (colon - text) - (size_t) n);
        ret->options = (struct relay_options){ .name = ret->name, .path = colon + 1, .front_fd = (int) fd,
                                               .n_rings = (uint16_t) n_rings,
                                               .pause_ms = RELAY_PAUSE_MS };
        return ret->name ? 0 : -EINVAL;
}

static void *run(void *data)
{
        struct line *line = data;

        (void) sem_post(line->begun);
        line->result = relay_run(&line->options);
        if (line->result < 0)
                log_error(line->name, "the device is lost: relay: %s", strerror(-line->result));
        /* The hypervisor is not to wait for what nobody hears. */
        (void) shutdown(line->options.front_fd, SHUT_RDWR);
        return NULL;
}

static int serve(const struct invocation *inv, struct line *lines, size_t n)
{
        const char *name = invocation_value(inv, "name");
        struct sandbox sandbox;
        sem_t begun;
        int r;

        sandbox_init(&sandbox, name ? name : "relay");
        sandbox.n_files_max = FILES_BASE + FILES_PER_DEVICE * n;
        r = sandbox_allow_calls(&sandbox, calls);
        if (r == 0)
                r = sandbox_enter(&sandbox);
        (void) sem_init(&begun, 0, 0);
        for (size_t i = 0; i < n && r == 0; i++) {
                lines[i].begun = &begun;
                r = -pthread_create(&lines[i].thread, NULL, run, &lines[i]);
        }
        /* The beginning of a thread has calls that it does not need later. */
        for (size_t i = 0; i < n && r == 0; i++)
                while (sem_wait(&begun) < 0)
                        ;
        if (r == 0)
                r = sandbox_filter_calls(&sandbox);
        sandbox_deinit(&sandbox);
        if (r < 0) {
                log_error("relay", "%s", strerror(-r));
                return STATUS_FAILED;
        }
        for (size_t i = 0; i < n; i++)
                (void) pthread_join(lines[i].thread, NULL);
        return STATUS_OK;
}

/* Return: NULL if it is no shared memory. */
static const atomic_uint *map_paused(const char *text)
{
        unsigned fd;
        void *page;

        if (sscanf(text, "%5u", &fd) != 1)
                return NULL;
        page = mmap(NULL, sizeof(atomic_uint), PROT_READ, MAP_SHARED, (int) fd, 0);
        (void) close((int) fd);
        return page == MAP_FAILED ? NULL : page;
}

static int relay_verb(const struct invocation *inv)
{
        static struct line lines[DEVICES_MAX];
        const char *text, *paused_fd = invocation_value(inv, "paused");
        const atomic_uint *paused = paused_fd ? map_paused(paused_fd) : NULL;
        size_t n = 0;
        int r = 0;

        if (paused_fd && !paused)
                return usage_error("relay", "--paused=%s: expected the number of shared memory", paused_fd);
        for (; r == 0 && (text = invocation_value_at(inv, "device", n)); n++)
                r = n < DEVICES_MAX ? parse(text, &lines[n]) : -EINVAL;
        if (r < 0)
                return usage_error("relay", "--device=%s: expected FD:QUEUES:ID:PATH, at most %d times", text,
                                   DEVICES_MAX);
        for (size_t i = 0; i < n; i++)
                lines[i].options.paused = paused;
        r = serve(inv, lines, n);
        for (size_t i = 0; i < n; i++)
                free(lines[i].name);
        return r;
}

const struct command command_relay = {
        .name = "relay",
        .summary = "Keep a hypervisor connected while device servers come and go",
        .usage = "",
        .options = options,
        .run = relay_verb,
        .hidden = true,
};
