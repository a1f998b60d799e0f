/* SPDX-License-Identifier: MPL-2.0 */
#include "seat/receiver.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/ratelimit.h"
#include "seat/router.h"

#define SUBJECT "seat"
#define MESSAGES_AT_ONCE 64 /* before others on the loop have their turn */
#define MESSAGES_PER_SECOND 10000 /* of one source: a mouse has 1000, a panel with ten fingers less than 3000 */
#define MESSAGES_BURST 5000
/* Of one process, which gives its sources numbers as it likes: a display server has one for each screen and viewer. */
#define PROCESS_MESSAGES_PER_SECOND 20000
#define PROCESS_MESSAGES_BURST 10000
#define PROCESS_SOURCES_MAX (SEAT_SOURCES_MAX / 2)

struct process {
        bool used;
        pid_t pid; /* 0: all of other pid namespaces */
        uint64_t last_ns;
        struct ratelimit limit;
};

struct source {
        struct seat_receiver *receiver; /* borrowed */
        bool used;
        bool ended;      /* its process has */
        pid_t pid;       /* 0: of another pid namespace */
        uint32_t number; /* seat_message.source */
        uint32_t next_sequence;
        uint64_t last_ns;
        struct ratelimit limit;
        int pid_fd; /* owned; -1: none */
        struct watch pid_watch;
        struct seat_source held;
};

struct seat_receiver {
        struct loop *loop;          /* borrowed */
        struct seat_router *router; /* borrowed */
        char *path;                 /* owned */
        int fd;                     /* owned */
        struct watch watch;
        struct task again;
        struct ratelimit log_limit;
        uint64_t own_uid;
        struct seat_receiver_counts counts;
        struct source sources[SEAT_SOURCES_MAX];
        struct process processes[SEAT_SOURCES_MAX]; /* those that were heard of last */
};

static void complain(struct seat_receiver *r, const char *what, pid_t pid)
{
        if (ratelimit_take(&r->log_limit, 1, clock_now_ns()))
                log_warning(SUBJECT, "process %d: %s", (int) pid, what);
}

/* ---- sources ---- */

static void close_source(struct source *s)
{
        watch_stop(&s->pid_watch);
        fd_close(&s->pid_fd);
        s->used = false;
}

static void lose_source(struct source *s)
{
        seat_router_leave(s->receiver->router, &s->held);
        seat_router_commit(s->receiver->router);
        close_source(s);
}

static void receive(struct seat_receiver *r);

/* What it sent before its end may still wait in the socket. */
static void on_process_ended(struct watch *w, uint32_t events)
{
        struct source *s = container_of(w, struct source, pid_watch);

        watch_stop(w);
        s->ended = true;
        receive(s->receiver);
}

/* Without, a process that ends while it holds something is noticed when its place is needed. */
static void watch_process(struct source *s)
{
        if (s->pid == 0)
                return;
        s->pid_fd = (int) syscall(SYS_pidfd_open, s->pid, 0);
        if (s->pid_fd >= 0)
                (void) watch_start(&s->pid_watch, s->receiver->loop, s->pid_fd, EPOLLIN, on_process_ended);
        else
                s->ended = errno == ESRCH;
}

static void lose_ended_sources(struct seat_receiver *r)
{
        for (size_t i = 0; i < SEAT_SOURCES_MAX; i++) {
                if (!r->sources[i].used || !r->sources[i].ended)
                        continue;
                r->counts.n_ended++;
                lose_source(&r->sources[i]);
        }
}

/* One that holds nothing goes first, then the one that was silent longest. */
static bool goes_before(const struct source *a, const struct source *b)
{
        bool holds_a = seat_source_holds(&a->held), holds_b = seat_source_holds(&b->held);

        return holds_a != holds_b ? holds_b : a->last_ns < b->last_ns;
}

/* For a new source of a process. One that has its share of the places gives one of those, so that it takes none of
   others'. */
static struct source *free_place(struct seat_receiver *r, pid_t pid)
{
        struct source *victim = NULL, *own = NULL;
        size_t n_own = 0;

        for (size_t i = 0; i < SEAT_SOURCES_MAX; i++) {
                struct source *s = &r->sources[i];

                if (s->used && s->pid == pid) {
                        n_own++;
                        if (!own || goes_before(s, own))
                                own = s;
                }
                if (!victim || (victim->used && (!s->used || goes_before(s, victim))))
                        victim = s;
        }
        if (n_own >= PROCESS_SOURCES_MAX)
                victim = own;
        if (victim->used) {
                r->counts.n_evicted++;
                lose_source(victim);
        }
        return victim;
}

/* Return: NULL if it was not heard of before. */
static struct source *find_source(struct seat_receiver *r, pid_t pid, uint32_t number)
{
        for (size_t i = 0; i < SEAT_SOURCES_MAX; i++) {
                struct source *s = &r->sources[i];

                if (s->used && s->pid == pid && s->number == number)
                        return s;
        }
        return NULL;
}

static struct source *add_source(struct seat_receiver *r, pid_t pid, const struct seat_message *m)
{
        struct source *s = free_place(r, pid);

        *s = (struct source) { .receiver = r, .used = true, .pid = pid, .number = m->source, .pid_fd = -1,
                               .next_sequence = m->sequence };
        ratelimit_init(&s->limit, MESSAGES_PER_SECOND, MESSAGES_BURST);
        watch_process(s);
        return s;
}

/* Return: whether a process may say one more. */
static bool process_may(struct seat_receiver *r, pid_t pid, uint64_t now_ns)
{
        struct process *p = &r->processes[0];

        for (size_t i = 0; i < SEAT_SOURCES_MAX && !(p->used && p->pid == pid); i++) {
                struct process *at = &r->processes[i];

                if ((at->used && at->pid == pid) || (p->used && (!at->used || at->last_ns < p->last_ns)))
                        p = at;
        }
        if (!p->used || p->pid != pid) {
                *p = (struct process) { .used = true, .pid = pid };
                ratelimit_init(&p->limit, PROCESS_MESSAGES_PER_SECOND, PROCESS_MESSAGES_BURST);
        }
        p->last_ns = now_ns;
        return ratelimit_take(&p->limit, 1, now_ns);
}

/* ---- messages ---- */

static void malformed(struct seat_receiver *r, pid_t pid)
{
        r->counts.n_malformed++;
        complain(r, "malformed message", pid);
}

/* What a source that is not heard any more holds is let go. */
static void flooded(struct seat_receiver *r, pid_t pid, struct source *s)
{
        r->counts.n_flooded++;
        complain(r, "too many messages", pid);
        if (s)
                seat_router_leave(r->router, &s->held);
}

static void handle(struct seat_receiver *r, pid_t pid, const struct seat_message *m)
{
        uint64_t now_ns = clock_now_ns();
        struct source *s;
        bool may;
        int screen;

        if (m->magic != SEAT_MAGIC || !memchr(m->screen, 0, sizeof(m->screen))) {
                malformed(r, pid);
                return;
        }
        may = process_may(r, pid, now_ns);
        s = find_source(r, pid, m->source);
        if (!s && !may) {
                flooded(r, pid, NULL);
                return;
        }
        if (!s)
                s = add_source(r, pid, m);
        s->last_ns = now_ns;
        if (m->sequence != s->next_sequence) {
                r->counts.n_gaps++;
                seat_router_leave(r->router, &s->held);
        }
        s->next_sequence = m->sequence + 1;
        screen = seat_router_screen(r->router, m->screen);
        if (!may || !ratelimit_take(&s->limit, 1, now_ns)) {
                flooded(r, pid, s);
        } else if (screen < 0 || seat_router_handle(r->router, &s->held, (size_t) screen, m) < 0) {
                malformed(r, pid);
                seat_router_leave(r->router, &s->held);
        } else
                r->counts.n_messages++;
        seat_router_commit(r->router);
}

/* There is room for the credentials only, so that no descriptors are taken. */
static void handle_packet(struct seat_receiver *r, struct msghdr *header, const struct seat_message *m, ssize_t n)
{
        const struct cmsghdr *c = CMSG_FIRSTHDR(header);
        struct ucred sender = { 0 };

        if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS ||
            c->cmsg_len < CMSG_LEN(sizeof(sender))) {
                malformed(r, 0);
                return;
        }
        memcpy(&sender, CMSG_DATA(c), sizeof(sender));
        if (sender.uid != r->own_uid && sender.uid != 0) {
                r->counts.n_strangers++;
                complain(r, "message of another user", sender.pid);
        } else if (n != sizeof(*m) || header->msg_flags & MSG_TRUNC)
                malformed(r, sender.pid);
        else
                handle(r, sender.pid, m);
}

static void on_again(struct task *t)
{
        receive(container_of(t, struct seat_receiver, again));
}

static void receive(struct seat_receiver *r)
{
        union {
                char space[CMSG_SPACE(sizeof(struct ucred))];
                struct cmsghdr align;
        } control;
        struct seat_message m;
        struct iovec iov = { .iov_base = &m, .iov_len = sizeof(m) };

        for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
                struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                                         .msg_controllen = sizeof(control) };
                ssize_t n = recvmsg(r->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        lose_ended_sources(r);
                        return;
                }
                handle_packet(r, &header, &m, n);
        }
        task_schedule(&r->again, r->loop, on_again);
}

static void on_readable(struct watch *w, uint32_t events)
{
        receive(container_of(w, struct seat_receiver, watch));
}

/* ---- life ---- */

static void receiver_freep(struct seat_receiver **r)
{
        *r = seat_receiver_free(*r);
}

int seat_receiver_new(struct loop *loop, const char *path, struct seat_router *router, struct seat_receiver **ret)
{
        auto_cleanup(receiver_freep) struct seat_receiver *r = calloc(1, sizeof(*r));
        int result, on = 1;

        if (!r)
                return -ENOMEM;
        r->loop = loop;
        r->router = router;
        r->own_uid = geteuid();
        ratelimit_init(&r->log_limit, 1, 5);
        r->fd = fd_unix_bind_datagram(path);
        if (r->fd < 0)
                return r->fd;
        r->path = strdup(path);
        if (!r->path) {
                (void) unlink(path);
                return -ENOMEM;
        }
        if (setsockopt(r->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
                return -errno;
        result = watch_start(&r->watch, loop, r->fd, EPOLLIN, on_readable);
        if (result < 0)
                return result;
        *ret = take_ptr(&r);
        return 0;
}

struct seat_receiver *seat_receiver_free(struct seat_receiver *r)
{
        if (!r)
                return NULL;
        for (size_t i = 0; i < SEAT_SOURCES_MAX; i++)
                if (r->sources[i].used)
                        close_source(&r->sources[i]);
        task_cancel(&r->again);
        watch_stop(&r->watch);
        fd_close(&r->fd);
        if (r->path)
                (void) unlink(r->path);
        free(r->path);
        free(r);
        return NULL;
}

const struct seat_receiver_counts *seat_receiver_counts(const struct seat_receiver *r) { return &r->counts; }
