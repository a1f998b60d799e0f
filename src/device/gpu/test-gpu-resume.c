/* SPDX-License-Identifier: MPL-2.0 */
/*
 * While a successor brings back what a killed server had: what comes between, and in which order. As in test-gpu-stop.c
 * nothing is a matter of time: the queues' thread is held up where it is to be, or there is none but the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/worker.h"
#include "device/gpu/gpu-private.h"
#include "device/gpu/test-gpu-guest.h"
#include "device/gpu/test-trap.h"
#include "display/picture.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define BAD_RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define SIDE 64u /* as large as a cursor */
#define ALL ((struct virtio_gpu_rect) { .width = SIDE, .height = SIDE })
#define PIXELS(id) (GUEST_PIXELS + (id) * 0x10000)
#define N_RESOURCES 8u
#define MIDDLE (N_RESOURCES / 2) /* whose pixels are brought back after some others' */
#define CURSOR_REQUEST (GUEST_REQUEST + 0x10000)
#define CURSOR_RESPONSE (GUEST_RESPONSE + 0x10000)
#define HOUR_NS (3600 * NSEC_PER_SEC)

static struct gpu_guest g;

static int setup_with(const struct gpu_guest_config *config)
{
        gpu_guest_init(&g, config);
        return 0;
}

/* All in one thread, or as a server has it. */
static int setup_single(void **state) { return setup_with(&(struct gpu_guest_config) { .state = true }); }

static int setup_single_packed(void **state)
{
        return setup_with(&(struct gpu_guest_config) { .state = true, .packed = true });
}

static int setup_worker(void **state)
{
        return setup_with(&(struct gpu_guest_config) { .state = true, .worker = true });
}

static int setup_single_urgent(void **state)
{
        return setup_with(&(struct gpu_guest_config) { .state = true, .urgent = true });
}

static int teardown(void **state)
{
        gpu_guest_deinit(&g);
        return 0;
}

static struct gpu *device(void) { return container_of(g.dev, struct gpu, dev); }

/* Each has its own pixels; the first one is shown. */
static void make_all(void)
{
        for (uint32_t id = 1; id <= N_RESOURCES; id++) {
                gpu_guest_make(&g, id, SIDE, SIDE, PIXELS(id));
                gpu_guest_paint(&g, PIXELS(id), SIDE * SIDE, id);
                assert_int_equal(gpu_guest_transfer(&g, id, ALL, 0), OK);
        }
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, ALL), OK);
}

static void assert_shown(uint32_t seed)
{
        assert_non_null(g.views[0].shown);
        assert_int_equal(test_view_pixel(&g.views[0], 0, 0), gpu_guest_colour(seed, 0));
        assert_int_equal(test_view_pixel(&g.views[0], SIDE - 1, SIDE - 1), gpu_guest_colour(seed, SIDE * SIDE - 1));
}

static void assert_all_is_back(void)
{
        assert_int_equal(gpu_guest_create(&g, 1, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, SIDE, SIDE), BAD_RESOURCE);
        assert_shown(1);
        for (uint32_t id = 2; id <= N_RESOURCES; id++) {
                assert_int_equal(gpu_guest_scanout(&g, 0, id, ALL), OK);
                assert_shown(id);
        }
        assert_int_equal(gpu_guest_scanout(&g, 0, 1, ALL), OK);
}

/* Gives the device a command for the cursor of the second scanout, without waiting for its answer. */
static void begin_cursor(uint32_t type, uint32_t id)
{
        struct virtio_gpu_update_cursor request = { .hdr.type = htole32(type), .pos.scanout_id = htole32(1),
                                                    .resource_id = htole32(id) };
        struct driver_buffer buffers[2] = {
                { CURSOR_REQUEST, sizeof(request), false },
                { CURSOR_RESPONSE, sizeof(struct virtio_gpu_ctrl_hdr), true },
        };

        memcpy(g.memory + CURSOR_REQUEST, &request, sizeof(request));
        assert_int_equal(driver_queue_add(&g.queues[GPU_CURSOR_QUEUE], buffers, 2, NULL), 0);
        (void) driver_queue_kick(&g.queues[GPU_CURSOR_QUEUE]);
        fd_event_signal(g.kick_fd[GPU_CURSOR_QUEUE]); /* also where the device does not ask for it */
}

static bool cursor_is_answered(void)
{
        uint32_t length;
        void *cookie;

        return driver_queue_get(&g.queues[GPU_CURSOR_QUEUE], &cookie, &length) == 1;
}

static uint32_t cursor_answer(void)
{
        struct virtio_gpu_ctrl_hdr header;

        while (!cursor_is_answered())
                if (g.worker)
                        cpu_relax();
                else
                        assert_int_equal(loop_step(g.loop, 1000), 0);
        memcpy(&header, g.memory + CURSOR_RESPONSE, sizeof(header));
        return le32toh(header.type);
}

static void nothing(void *data) { }

/* All that can be done is done; in one thread. */
static void run_dry(void)
{
        for (unsigned i = 0; i < 10; i++)
                assert_int_equal(loop_step(g.loop, 0), 0);
}

/* ---- which queue starts first ---- */

/* A ring that was never used says nothing of the other one. */
static void a_cursor_queue_that_starts_first_takes_nothing_away(void **state)
{
        make_all();
        gpu_guest_kill(&g, NULL, NULL);
        begin_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, 0);
        gpu_guest_resume_queue(&g, GPU_CURSOR_QUEUE);
        run_dry();
        assert_false(cursor_is_answered());
        gpu_guest_resume_queue(&g, GPU_CONTROL_QUEUE);
        assert_int_equal(cursor_answer(), OK);
        assert_all_is_back();
        gpu_guest_succeed(&g, NULL, NULL);
        assert_all_is_back();
}

/* Rings that began anew while no server ran: a guest that was started again. */
static void a_new_drivers_cursor_queue_may_start_first(void **state)
{
        make_all();
        for (uint16_t i = 0; i < 2; i++) {
                memset(g.queues[i].device_p, 0, 8);
                driver_queue_deinit(&g.queues[i]);
                assert_int_equal(driver_queue_init(&g.queues[i], g.space, 0x1000 + i * UINT64_C(0x80000), g.features,
                                                   64, 0), 0);
                g.queues[i].kick_fd = g.kick_fd[i];
                g.queues[i].call_fd = g.call_fd[i];
        }
        gpu_guest_kill(&g, NULL, NULL);
        gpu_guest_resume_queue(&g, GPU_CURSOR_QUEUE);
        begin_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0);
        run_dry();
        assert_false(cursor_is_answered());
        gpu_guest_resume_queue(&g, GPU_CONTROL_QUEUE);
        assert_int_equal(cursor_answer(), OK);
        assert_null(g.views[0].shown);
        assert_int_equal(gpu_guest_unref(&g, 1), BAD_RESOURCE);
}

/* ---- what comes amid it ---- */

static bool is_called(void *data) { return loop_is_called(worker_loop(g.worker)); }

/* The server is killed, and its successor held up amid the pixels of a resource until somebody wants its thread. */
static void succeed_and_hold_up(void)
{
        gpu_guest_kill(&g, NULL, NULL);
        gpu_guest_resume_queue(&g, GPU_CURSOR_QUEUE); /* it was not used: this brings nothing back */
        trap_set(&(struct trap) { .goes_on = is_called }, g.memory + PIXELS(MIDDLE));
        gpu_guest_resume_queue(&g, GPU_CONTROL_QUEUE);
        trap_wait();
        assert_null(g.views[0].shown);
}

static void a_cursor_command_amid_it_is_done_afterwards(void **state)
{
        make_all();
        succeed_and_hold_up();
        begin_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, N_RESOURCES);
        /* This one cuts it; the kick comes before it goes on. */
        loop_call(worker_loop(g.worker), nothing, NULL);
        trap_clear();
        assert_int_equal(cursor_answer(), OK);
        assert_memory_equal(g.views[1].cursor->pixels, g.memory + PIXELS(N_RESOURCES), SIDE * 4);
        assert_all_is_back();
}

static void it_goes_on_when_one_queue_stops(void **state)
{
        make_all();
        succeed_and_hold_up();
        gpu_guest_pause_queue(&g, GPU_CONTROL_QUEUE);
        trap_clear();
        begin_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, N_RESOURCES);
        assert_int_equal(cursor_answer(), OK);
        assert_shown(1);
        gpu_guest_resume_queue(&g, GPU_CONTROL_QUEUE);
        assert_all_is_back();
}

static void a_reset_amid_it_leaves_nothing_to_the_next_driver(void **state)
{
        make_all();
        succeed_and_hold_up();
        device_reset(g.dev);
        trap_clear();
        assert_false(device()->resumes);
        gpu_guest_stop(&g);
        gpu_guest_start(&g);
        assert_int_equal(gpu_guest_unref(&g, 1), BAD_RESOURCE);
        assert_null(g.views[0].shown);
        make_all();
        assert_all_is_back();
        gpu_guest_succeed(&g, NULL, NULL);
        assert_all_is_back();
}

/* ---- its share of a CPU; nobody else wants the thread, which would cut it, too ---- */

/* As if the thread had taken so much just now. */
static void take_cpu(uint64_t taken_ns)
{
        struct timespec ts;

        assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts), 0);
        device()->share.begin_ns = clock_now_ns();
        device()->share.begin_cpu_ns = (uint64_t) ts.tv_sec * NSEC_PER_SEC + (uint64_t) ts.tv_nsec - taken_ns;
}

static bool take_an_hour(void *data)
{
        take_cpu(HOUR_NS);
        return true;
}

static bool waits_for_next_period(void) { return device()->resumes && device()->share.next.loop; }

/* The next one, which would be in an hour. */
static void begin_period(void)
{
        struct gpu_share *s = &device()->share;

        take_cpu(0);
        timer_start(&s->next, g.loop, clock_now_ns(), s->next.fn);
}

static void urgent_guest_that_has_had_its_share_gets_nothing_back_before_the_next(void **state)
{
        make_all();
        gpu_guest_kill(&g, NULL, NULL);
        take_cpu(HOUR_NS);
        gpu_guest_resume(&g);
        run_dry();
        assert_true(waits_for_next_period());
        assert_int_equal(device()->n_resources, 0);
        begin_period();
        assert_all_is_back();
}

static void urgent_guests_share_may_end_amid_what_is_brought_back(void **state)
{
        make_all();
        gpu_guest_kill(&g, NULL, NULL);
        trap_set(&(struct trap) { .goes_on = take_an_hour }, g.memory + PIXELS(MIDDLE));
        gpu_guest_resume(&g);
        run_dry();
        trap_wait();
        trap_clear();
        assert_true(waits_for_next_period());
        assert_null(g.views[0].shown);
        begin_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, N_RESOURCES);
        run_dry();
        assert_true(waits_for_next_period());
        assert_false(cursor_is_answered());
        begin_period();
        assert_int_equal(cursor_answer(), OK);
        assert_all_is_back();
}

#define CASE(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_cursor_queue_that_starts_first_takes_nothing_away, setup_single),
                CASE(a_cursor_queue_that_starts_first_takes_nothing_away, setup_single_packed),
                CASE(a_new_drivers_cursor_queue_may_start_first, setup_single),
                CASE(a_cursor_command_amid_it_is_done_afterwards, setup_worker),
                CASE(it_goes_on_when_one_queue_stops, setup_worker),
                CASE(a_reset_amid_it_leaves_nothing_to_the_next_driver, setup_worker),
                CASE(urgent_guest_that_has_had_its_share_gets_nothing_back_before_the_next, setup_single_urgent),
                CASE(urgent_guests_share_may_end_amid_what_is_brought_back, setup_single_urgent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
