/* SPDX-License-Identifier: MPL-2.0 */
/*
 * busbar input: does on a screen what a person would, for tests and automation. Each call is a source of its own, which
 * lets go of all that it holds when it ends, also by ^C.
 *
 * What is sent is not answered (seat/message.h): a receiver that is behind gets a moment, and what it then still does
 * not take is an error here.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/input-event-codes.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "cli/cockpit.h"
#include "cli/key-names.h"
#include "runtime/plan.h"
#include "runtime/run-dir.h"
#include "seat/sender.h"

#define TAP_MS 50        /* from down to up */
#define STEP_MS 10       /* between two places of a drag */
#define DRAG_MS 300
#define DURATION_MAX_MS 60000
#define CLICKS_MAX 1000
#define SEND_TRIES 100   /* a millisecond apart */
#define CHORD_MAX 8      /* keys that are down together */
#define PLACE_MAX 16383

struct hand {
        const struct cockpit *cockpit;
        const struct scene_screen *screen;
        struct seat_sender *sender;
};

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number) { is_interrupted = 1; }

/* Return: 0; -EINTR when it is to end. */
static int wait_ms(unsigned ms)
{
        struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000 };

        if (!is_interrupted)
                (void) nanosleep(&t, NULL);
        return is_interrupted ? -EINTR : 0;
}

static int send(struct hand *h, const struct seat_message *m)
{
        int r = -EAGAIN;

        for (unsigned i = 0; i < SEND_TRIES && r == -EAGAIN && !is_interrupted; i++) {
                r = seat_send(h->sender, m);
                if (r == -EAGAIN)
                        (void) wait_ms(1);
        }
        if (r == -ENOENT || r == -ECONNREFUSED)
                log_error(h->cockpit->name,
                          "its input server does not answer: no machine has a device of type input, or "
                          "it is being started again");
        else if (r < 0)
                log_error(h->cockpit->name, "input: %s", strerror(-r));
        return r;
}

static int put(struct hand *h, uint32_t kind, uint32_t x, uint32_t y)
{
        return send(h, &(struct seat_message){ .kind = kind,
                                               .x = seat_axis_from_pixel(x, h->screen->width),
                                               .y = seat_axis_from_pixel(y, h->screen->height) });
}

static int put_code(struct hand *h, uint32_t kind, uint32_t code, int32_t value)
{
        return send(h, &(struct seat_message){ .kind = kind, .code = code, .value = value });
}

/* Return: 0 or -EINVAL. */
static int read_number(const char *text, long min, long max, long *ret)
{
        char *end;
        long n;

        errno = 0;
        n = strtol(text, &end, 10);
        if (errno != 0 || end == text || *end || n < min || n > max)
                return -EINVAL;
        *ret = n;
        return 0;
}

/* @n places on the screen, 2 words each. Return: 0; -EINVAL after an error was logged. */
static int read_places(const struct hand *h, char *const *words, size_t n, uint32_t *ret)
{
        for (size_t i = 0; i < 2 * n; i++) {
                uint32_t size = i % 2 == 0 ? h->screen->width : h->screen->height;
                long value;

                if (size == 0) {
                        log_error(h->cockpit->name,
                                  "screen %s has no \"size\" of its own, so that places on it cannot be said",
                                  h->screen->name);
                        return -EINVAL;
                }
                if (read_number(words[i], 0, MIN(size - 1, (uint32_t) PLACE_MAX), &value) < 0) {
                        log_error("input", "'%s': expected a pixel of screen %s, %s from 0 to %u", words[i],
                                  h->screen->name, i % 2 == 0 ? "x" : "y", size - 1);
                        return -EINVAL;
                }
                ret[i] = (uint32_t) value;
        }
        return 0;
}

/* Return: milliseconds from the word, or @standard without one; a negative errno after an error was logged. */
static long read_duration(char *const *words, size_t n, size_t at, long standard)
{
        long ms;

        if (n <= at)
                return standard;
        if (read_number(words[at], 0, DURATION_MAX_MS, &ms) == 0)
                return ms;
        log_error("input", "'%s': expected milliseconds up to %d", words[at], DURATION_MAX_MS);
        return -EINVAL;
}

static int touch(struct hand *h, char *const *words, size_t n)
{
        uint32_t at[2];
        long ms = read_duration(words, n, 2, TAP_MS);
        int r = ms < 0 ? (int) ms : read_places(h, words, 1, at);

        if (r == 0)
                r = put(h, SEAT_TOUCH_DOWN, at[0], at[1]);
        if (r == 0)
                r = wait_ms((unsigned) ms);
        return r < 0 ? r : put(h, SEAT_TOUCH_UP, at[0], at[1]);
}

static int drag(struct hand *h, char *const *words, size_t n)
{
        uint32_t at[4];
        long ms = read_duration(words, n, 4, DRAG_MS);
        int r = ms < 0 ? (int) ms : read_places(h, words, 2, at);
        int64_t n_steps = MAX(ms / STEP_MS, 1);

        if (r == 0)
                r = put(h, SEAT_TOUCH_DOWN, at[0], at[1]);
        for (int64_t i = 1; i <= n_steps && r == 0; i++) {
                r = wait_ms((unsigned) (ms / n_steps));
                if (r == 0)
                        r = put(h, SEAT_TOUCH_MOVE, (uint32_t) (at[0] + ((int64_t) at[2] - at[0]) * i / n_steps),
                                (uint32_t) (at[1] + ((int64_t) at[3] - at[1]) * i / n_steps));
        }
        return r < 0 ? r : put(h, SEAT_TOUCH_UP, at[2], at[3]);
}

static int move(struct hand *h, char *const *words, size_t n)
{
        uint32_t at[2];
        int r = read_places(h, words, 1, at);

        return r < 0 ? r : put(h, SEAT_POINTER_MOVE, at[0], at[1]);
}

static int click(struct hand *h, char *const *words, size_t n)
{
        static const struct {
                const char *name;
                uint32_t code;
        } buttons[] = { { "left", BTN_LEFT }, { "right", BTN_RIGHT }, { "middle", BTN_MIDDLE } };
        uint32_t code = n > 2 ? 0 : BTN_LEFT;
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(buttons) && code == 0; i++)
                if (strcmp(words[2], buttons[i].name) == 0)
                        code = buttons[i].code;
        if (code == 0) {
                log_error("input", "'%s': expected left, right or middle", words[2]);
                return -EINVAL;
        }
        r = move(h, words, 2);
        if (r == 0)
                r = put_code(h, SEAT_BUTTON, code, 1);
        if (r == 0)
                r = wait_ms(TAP_MS);
        return r < 0 ? r : put_code(h, SEAT_BUTTON, code, 0);
}

/* "leftctrl+c": all down in this order, and up again in the other. */
static int press(struct hand *h, const char *word)
{
        uint16_t codes[CHORD_MAX + 1]; /* the last is refused */
        size_t n = 0;
        int r = 0;

        for (const char *at = word; at; at = strchr(at, '+')) {
                at += at > word;
                codes[n] = n < CHORD_MAX ? key_from_name(at, strcspn(at, "+")) : 0;
                if (codes[n++] != 0)
                        continue;
                if (n > CHORD_MAX)
                        log_error("input", "'%s': more than %d keys together", word, CHORD_MAX);
                else
                        log_error("input",
                                  "'%s': no key is called '%.*s'; names are those of evdev without KEY_, or #NUMBER",
                                  word, (int) strcspn(at, "+"), at);
                return -EINVAL;
        }
        for (size_t i = 0; i < n && r == 0; i++)
                r = put_code(h, SEAT_KEY, codes[i], 1);
        if (r == 0)
                r = wait_ms(TAP_MS);
        while (n > 0 && r == 0)
                r = put_code(h, SEAT_KEY, codes[--n], 0);
        return r;
}

static int key(struct hand *h, char *const *words, size_t n)
{
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++)
                r = press(h, words[i]);
        return r;
}

static int read_clicks(const char *word, long *ret)
{
        int r = read_number(word, -CLICKS_MAX, CLICKS_MAX, ret);

        if (r < 0)
                log_error("input", "'%s': expected clicks from -%d to %d", word, CLICKS_MAX, CLICKS_MAX);
        return r;
}

static int turn(struct hand *h, uint32_t kind, uint32_t code, long clicks)
{
        int r = 0;

        while (clicks != 0 && r == 0) {
                long n = MAX(MIN(clicks, (long) SEAT_CLICKS_MAX), (long) -SEAT_CLICKS_MAX);

                r = put_code(h, kind, code, (int32_t) n);
                clicks -= n;
        }
        return r;
}

static int rotary(struct hand *h, char *const *words, size_t n)
{
        long clicks;
        int r = read_clicks(words[0], &clicks);

        return r < 0 ? r : turn(h, SEAT_ROTARY, 0, clicks);
}

/* Turned where the pointer is, which has no place before this call gives it one. */
static int wheel(struct hand *h, char *const *words, size_t n)
{
        long clicks;
        int r = read_clicks(words[2], &clicks);

        if (r == 0)
                r = move(h, words, 2);
        return r < 0 ? r : turn(h, SEAT_WHEEL, REL_WHEEL, clicks);
}

static const struct {
        const char *name, *usage;
        size_t n_min, n_max; /* words after it */
        int (*act)(struct hand *h, char *const *words, size_t n);
} acts[] = {
        { "touch", "X Y [MS]", 2, 3, touch },
        { "drag", "X1 Y1 X2 Y2 [MS]", 4, 5, drag },
        { "key", "NAME...", 1, SIZE_MAX, key },
        { "rotary", "CLICKS", 1, 1, rotary },
        { "move", "X Y", 2, 2, move },
        { "click", "X Y [left|right|middle]", 2, 3, click },
        { "wheel", "X Y CLICKS", 3, 3, wheel },
};

static int input_run(const struct invocation *inv)
{
        auto_cleanup(cockpit_deinit) struct cockpit c = { 0 };
        auto_cleanup(seat_sender_freep) struct seat_sender *sender = NULL;
        auto_cleanup(freep) char *path = NULL;
        struct hand h = { .cockpit = &c };
        struct sigaction action = { .sa_handler = on_signal };
        const char *name = inv->operands[2];
        size_t i = 0, n = inv->n_operands - 3;
        int r;

        while (i < ARRAY_SIZE(acts) && strcmp(acts[i].name, name) != 0)
                i++;
        if (i == ARRAY_SIZE(acts))
                return usage_error("input", "'%s': expected touch, drag, key, rotary, move, click or wheel", name);
        if (n < acts[i].n_min || n > acts[i].n_max)
                return usage_error("input", "expected %s %s", name, acts[i].usage);
        if (cockpit_open(inv, inv->operands[0], &c) != STATUS_OK)
                return STATUS_FAILED;
        h.screen = cockpit_find_screen(&c, inv->operands[1]);
        path = path_join(c.folder, PLAN_SEAT);
        if (!h.screen || !path)
                return STATUS_FAILED;
        r = seat_sender_new(path, h.screen->name, &sender);
        if (r < 0) {
                log_error(c.name, "%s: %s", path, strerror(-r));
                return STATUS_FAILED;
        }
        h.sender = sender;
        (void) sigaction(SIGINT, &action, NULL);
        (void) sigaction(SIGTERM, &action, NULL);
        return acts[i].act(&h, inv->operands + 3, n) < 0 ? STATUS_FAILED : STATUS_OK;
}

const struct command command_input = {
        .name = "input",
        .summary = "Touch a screen, press keys, turn a knob",
        .usage = "SYSTEM SCREEN ACT...",
        .description =
                "SYSTEM is as for `busbar screenshot`; places are in pixels of the screen. The acts:\n"
                "  touch X Y [MS]           a finger, down for so long (default: 50)\n"
                "  drag X1 Y1 X2 Y2 [MS]    a finger, from here to there in this time (default: 300)\n"
                "  key NAME...              one after the other; leftctrl+c together\n"
                "  rotary CLICKS            a knob; negative is to the left\n"
                "  move X Y                 the pointer\n"
                "  click X Y [BUTTON]       left, right or middle\n"
                "  wheel X Y CLICKS         of the pointer there; negative is down\n"
                "Names of keys are those of evdev in small letters without KEY_ (enter, volumeup, a), or #NUMBER.",
        .n_operands_min = 4,
        .n_operands_max = ~0U,
        .run = input_run,
        .complete = complete_cockpit,
};
