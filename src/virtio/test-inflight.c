/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Kills a device between any two instructions and lets a successor take over.
 *
 * A child process plays the device, step by step under ptrace(2). Whenever shared memory (ring and in-flight
 * region) has changed, that is a state in which a kill may leave it: it is copied to a second world, where a
 * successor starts and finishes. Then every request must have completed exactly once, none that the driver
 * had already seen as used may be handed out again, and those taken before come in their old order.
 *
 * The successor's own start is killed in the same way, with a third world to check.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "virtio/inflight.h"
#include "virtio/test-rig.h"

#define N_REQUESTS_MAX 64
#define N_REGION_BYTES 4096

struct world {
        struct rig *rig;
        char *region;
        unsigned n_requests, n_taken; /* taken so far by this generation */
        uint32_t taken[4 * N_REQUESTS_MAX];
        unsigned completed[N_REQUESTS_MAX];
        bool was_visible[N_REQUESTS_MAX];
        unsigned seed;
        bool one_by_one; /* the driver looks after each completion */
};

static bool is_packed(const struct world *w)
{
        return w->rig->dq.packed;
}

static struct world *world_new(const struct rig_config *config)
{
        struct world *w = calloc(1, sizeof(*w));
        void *state = (void *) config;

        assert_non_null(w);
        (void) rig_setup(&state);
        w->rig = state;
        w->rig->data = w;
        w->region = mmap(NULL, N_REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(w->region, MAP_FAILED);
        w->rig->setup.inflight = w->region;
        w->rig->setup.inflight_bytes = inflight_region_bytes(is_packed(w), config->size);
        w->rig->setup.kick_fd = w->rig->setup.call_fd = -1;
        w->rig->dq.kick_fd = -1;
        return w;
}

static void world_free(struct world *w)
{
        void *state = w->rig;

        (void) rig_teardown(&state);
        (void) munmap(w->region, N_REGION_BYTES);
        free(w);
}

static size_t ring_bytes(const struct world *w)
{
        return driver_queue_bytes(w->rig->dq.features, w->rig->dq.size, w->rig->dq.indirect_max);
}

static void *dup_array(const void *p, size_t n_bytes)
{
        void *copy = malloc(n_bytes);

        assert_non_null(copy);
        return memcpy(copy, p, n_bytes);
}

/* Makes *to what *from would be if its device were killed now. The driver goes on where it stands. */
static void world_copy(struct world *to, const struct world *from)
{
        struct driver_queue *dq = &to->rig->dq;
        const struct driver_queue *other = &from->rig->dq;

        queue_stop(to->rig->q, NULL);
        memcpy(to->rig->memory + RIG_RING, from->rig->memory + RIG_RING, ring_bytes(from));
        memcpy(to->rig->memory + RIG_BUFFERS, from->rig->memory + RIG_BUFFERS, N_REQUESTS_MAX * 64);
        memcpy(to->region, from->region, N_REGION_BYTES);

        driver_queue_deinit(dq);
        *dq = *other;
        dq->descriptors_p = to->rig->memory + ((char *) other->descriptors_p - from->rig->memory);
        dq->driver_p = to->rig->memory + ((char *) other->driver_p - from->rig->memory);
        dq->device_p = to->rig->memory + ((char *) other->device_p - from->rig->memory);
        if (other->indirect_p)
                dq->indirect_p = to->rig->memory + ((char *) other->indirect_p - from->rig->memory);
        dq->free_ids = dup_array(other->free_ids, other->size * sizeof(*other->free_ids));
        dq->cookies = dup_array(other->cookies, other->size * sizeof(*other->cookies));
        dq->lengths = dup_array(other->lengths, other->size * sizeof(*other->lengths));
        dq->writable = dup_array(other->writable, other->size * sizeof(*other->writable));
        if (other->order)
                dq->order = dup_array(other->order, other->size * sizeof(*other->order));

        to->rig->setup.base = from->rig->setup.base; /* as stale as a front end's */
        to->n_requests = from->n_requests;
        to->n_taken = 0;
        to->seed = from->seed;
        memcpy(to->completed, from->completed, sizeof(to->completed));
        memset(to->was_visible, 0, sizeof(to->was_visible));
}

/* Adds one request of one to three buffers; the first carries its number. Return: false if there is no room. */
static bool add_request(struct world *w)
{
        gpa_t at = RIG_BUFFERS + w->n_requests * 64;
        struct driver_buffer buffers[] = { { at, 4, false }, { at + 16, 4, true }, { at + 32, 4, true } };
        uint32_t number = w->n_requests;

        if (w->n_requests == N_REQUESTS_MAX ||
            driver_queue_add(&w->rig->dq, buffers, 1 + number % 3, (void *) (uintptr_t) number) < 0)
                return false;
        memcpy(w->rig->memory + at, &number, sizeof(number));
        w->n_requests++;
        return true;
}

static void add_requests(struct world *w)
{
        while (add_request(w)) {
        }
        (void) driver_queue_kick(&w->rig->dq);
}

static void collect(struct world *w)
{
        uint32_t len;
        void *cookie;
        int r;

        while ((r = driver_queue_get(&w->rig->dq, &cookie, &len)) > 0) {
                assert_true((uintptr_t) cookie < w->n_requests);
                w->completed[(uintptr_t) cookie]++;
        }
        assert_int_equal(r, 0);
}

/* In the child: what is between two of these is done step by step. Elsewhere nothing. */
static bool in_child;

static void toggle_steps(void)
{
        if (in_child)
                (void) raise(SIGSTOP);
}

static bool take(struct world *w, struct chain *ret)
{
        uint32_t number;
        int r;

        toggle_steps();
        r = queue_pop(w->rig->q, ret);
        toggle_steps();
        if (r <= 0)
                return false;
        assert_int_equal(chain_read(ret, 0, &number, sizeof(number)), sizeof(number));
        w->taken[w->n_taken++] = number;
        return true;
}

static unsigned next_random(struct world *w, unsigned n)
{
        w->seed = w->seed * 1103515245 + 12345;
        return (w->seed >> 16) % n;
}

/* A device at work: takes, pushes in any order, notifies now and then, puts back. Ends with some in flight. */
static int work(struct rig *rig, struct queue *q)
{
        struct world *w = rig->data;
        struct chain chains[64];
        struct iovec store[64][4];
        unsigned n = 0;

        for (unsigned i = 0; i < 30; i++) {
                unsigned what = next_random(w, 8), k;

                if (what < 4) {
                        struct chain c;

                        if (n < ARRAY_SIZE(chains) && take(w, &c))
                                assert_int_equal(chain_keep(&chains[n], &c, store[n], 4), 0), n++;
                } else if (what < 6 && n > 0) {
                        struct iovec iov[4];

                        k = next_random(w, n);
                        toggle_steps();
                        queue_push(q, &chains[k], chains[k].n_write_bytes);
                        toggle_steps();
                        memcpy(iov, store[n - 1], sizeof(iov));
                        chains[k] = chains[--n];
                        memcpy(store[k], iov, sizeof(iov));
                        chains[k].iov = store[k];
                } else if (what == 6) {
                        struct chain c;

                        if (take(w, &c)) {
                                toggle_steps();
                                queue_unpop(q, 1);
                                toggle_steps();
                                w->n_taken--;
                        }
                } else {
                        toggle_steps();
                        queue_notify(q);
                        toggle_steps();
                }
        }
        return 0;
}

/* A successor finishes all there is. */
static int finish(struct rig *rig, struct queue *q)
{
        struct world *w = rig->data;
        struct chain c;

        while (take(w, &c)) {
                queue_push(q, &c, c.n_write_bytes);
                if (w->one_by_one) {
                        queue_notify(q);
                        collect(w);
                }
        }
        return queue_notify(q);
}

static void run_device(struct world *w)
{
        rig_start(w->rig);
        rig_run(w->rig);
        assert_false(w->rig->q->broken);
}

/* Lets a successor take over in this world and checks what came out. */
static void check_takeover(struct world *w, bool one_by_one)
{
        uint32_t last = 0;

        w->one_by_one = one_by_one;
        if (!one_by_one)
                collect(w);
        for (unsigned i = 0; i < w->n_requests; i++)
                w->was_visible[i] = w->completed[i] > 0;

        w->rig->handle = finish;
        run_device(w);
        collect(w);
        for (unsigned i = 0; i < w->n_requests; i++)
                assert_int_equal(w->completed[i], 1);
        for (unsigned i = 0; i < w->n_taken; i++) {
                assert_false(w->was_visible[w->taken[i]]);
                assert_true(i == 0 || w->taken[i] > last); /* oldest first, none twice */
                last = w->taken[i];
        }
        assert_int_equal(w->rig->dq.n_free, w->rig->dq.size);

        /* Nothing is left, and the ring goes on. */
        w->n_taken = 0;
        rig_restart(w->rig);
        rig_run(w->rig);
        assert_int_equal(w->n_taken, 0);
        for (unsigned round = 0; round < 3; round++) {
                w->n_requests = 0;
                memset(w->completed, 0, sizeof(w->completed));
                add_requests(w);
                queue_kick(w->rig->q);
                collect(w);
                for (unsigned i = 0; i < w->n_requests; i++)
                        assert_int_equal(w->completed[i], 1);
        }
        queue_stop(w->rig->q, NULL);
}

static bool state_changed(struct world *w, char *seen, size_t n_ring)
{
        if (memcmp(seen, w->rig->memory + RIG_RING, n_ring) == 0 &&
            memcmp(seen + n_ring, w->region, N_REGION_BYTES) == 0)
                return false;
        memcpy(seen, w->rig->memory + RIG_RING, n_ring);
        memcpy(seen + n_ring, w->region, N_REGION_BYTES);
        return true;
}

static pid_t start_child(struct world *w, void (*action)(struct world *w))
{
        int status;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
                if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
                        _exit(1);
                in_child = true;
                (void) raise(SIGSTOP);
                action(w);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSTOPPED(status))
                return -EPERM;
        assert_int_equal(ptrace(PTRACE_SETOPTIONS, child, NULL, (void *) (uintptr_t) PTRACE_O_EXITKILL), 0);
        return child;
}

/*
 * Runs @action in a child and calls @at_state for every state of shared memory, between any two instructions of
 * what is to be stepped through. Return: number of states; -EPERM where ptrace is forbidden.
 */
static int step_through(struct world *w, void (*action)(struct world *w), void (*at_state)(struct world *w, void *data),
                        void *data)
{
        size_t n_ring = ring_bytes(w);
        char *seen = calloc(1, n_ring + N_REGION_BYTES);
        pid_t child = start_child(w, action);
        bool stepping = false;
        int status, n = 0;

        assert_non_null(seen);
        while (child > 0) {
                if (state_changed(w, seen, n_ring)) {
                        at_state(w, data);
                        n++;
                }
                assert_int_equal(ptrace(stepping ? PTRACE_SINGLESTEP : PTRACE_CONT, child, NULL, NULL), 0);
                assert_int_equal(waitpid(child, &status, 0), child);
                if (!WIFSTOPPED(status))
                        break;
                assert_true(WSTOPSIG(status) == SIGSTOP || (stepping && WSTOPSIG(status) == SIGTRAP));
                stepping = stepping != (WSTOPSIG(status) == SIGSTOP);
        }
        free(seen);
        if (child < 0)
                return child;
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return n;
}

static void check_state(struct world *w, void *data)
{
        struct world *other = data;

        for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
                world_copy(other, w);
                check_takeover(other, one_by_one);
        }
}

struct nested {
        struct world *second, *third;
        unsigned n_states;
};

static void start_only(struct world *w)
{
        toggle_steps();
        rig_start(w->rig);
        toggle_steps();
}

/* Of every few states: a successor begins, and is killed as well. */
static void check_state_nested(struct world *w, void *data)
{
        struct nested *n = data;

        if (n->n_states++ % 41 != 0)
                return;
        world_copy(n->second, w);
        assert_true(step_through(n->second, start_only, check_state, n->third) > 0);
}

/* Brings the ring to some position, with nothing in flight. */
static void warm_up(struct world *w, unsigned n)
{
        w->rig->handle = finish;
        rig_start(w->rig);
        for (unsigned i = 0; i < n; i++) {
                assert_true(add_request(w));
                (void) driver_queue_kick(&w->rig->dq);
                queue_kick(w->rig->q);
                collect(w);
        }
        queue_stop(w->rig->q, &w->rig->setup.base);
        w->n_requests = w->n_taken = 0;
        memset(w->completed, 0, sizeof(w->completed));
}

static const struct rig_config configs[] = {
        { RIG_SPLIT | RIG_EVENT, 8, 0 },
        { RIG_SPLIT | RIG_INDIRECT, 8, 4 },
        { RIG_SPLIT | RIG_INDIRECT | RIG_ORDER, 8, 4 },
        { RIG_PACKED | RIG_EVENT, 8, 0 },
        { RIG_PACKED, 11, 0 },
        { RIG_PACKED | RIG_INDIRECT, 5, 4 },
        { RIG_PACKED | RIG_ORDER, 9, 0 },
};

static void killed_anywhere_a_successor_loses_and_repeats_nothing(void **state)
{
        unsigned n_states = 0;

        for (unsigned i = 0; i < ARRAY_SIZE(configs); i++) {
                for (unsigned seed = 0; seed < 3; seed++) {
                        struct world *w = world_new(&configs[i]), *other = world_new(&configs[i]);
                        int r;

                        w->seed = seed * 7919 + i;
                        warm_up(w, seed * 5);
                        add_requests(w);
                        w->rig->handle = work;
                        r = step_through(w, run_device, check_state, other);
                        world_free(other);
                        world_free(w);
                        if (r == -EPERM)
                                skip();
                        n_states += (unsigned) r;
                }
        }
        print_message("# %u states\n", n_states);
}

static void killed_while_taking_over_the_next_one_still_succeeds(void **state)
{
        for (unsigned i = 0; i < ARRAY_SIZE(configs); i++) {
                struct world *w = world_new(&configs[i]);
                struct nested nested = { world_new(&configs[i]), world_new(&configs[i]), i };
                int r;

                w->seed = 4711 + i;
                warm_up(w, 2 * i);
                add_requests(w);
                w->rig->handle = work;
                r = step_through(w, run_device, check_state_nested, &nested);
                world_free(nested.second);
                world_free(nested.third);
                world_free(w);
                if (r == -EPERM)
                        skip();
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(killed_anywhere_a_successor_loses_and_repeats_nothing),
                cmocka_unit_test(killed_while_taking_over_the_next_one_still_succeeds),
        };

#if defined(__SANITIZE_THREAD__)
        /* Each of ThreadSanitizer's own instructions would be stepped through, for minutes. */
        puts("1..0 # SKIP there is one thread: nothing to see for ThreadSanitizer");
        (void) tests;
        return 0;
#endif
        return cmocka_run_group_tests(tests, NULL, NULL);
}
