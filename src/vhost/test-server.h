/* SPDX-License-Identifier: MPL-2.0 */
/* For tests: an echo device behind a listening socket, served by a thread of this process or by a child. */
#pragma once

#include <semaphore.h>

#include "base/loop.h"
#include "base/worker.h"
#include "vhost/backend.h"
#include "vhost/test-echo.h"

struct test_server {
        char path[128];
        struct loop *loop;     /* borrowed: the worker's, or the caller's */
        struct echo *echo;     /* owned */
        int listen_fd;         /* owned */
        struct watch watch;
        struct vhost_backend *backend; /* owned; NULL: nobody is connected */
        int reason;            /* why the last connection ended */
        sem_t closed;          /* posted when one ends */
};

/* Serves a new echo device on @loop, which may run in another thread. One connection at a time. */
void test_server_start(struct test_server *s, struct loop *loop, const char *name, uint16_t n_queues);
/* Ends the connection from the server's side. */
void test_server_disconnect(struct test_server *s);
void test_server_stop(struct test_server *s);

/* Was the device started, is its first queue? Asked on the server's loop. */
bool test_server_device_started(struct test_server *s);
bool test_server_queue_started(struct test_server *s);

/* The same in a child process, which dies with SIGKILL. Return: its pid; it listens. */
pid_t test_server_fork(struct test_server *s, const char *name, uint16_t n_queues);
void test_server_kill(pid_t pid);
