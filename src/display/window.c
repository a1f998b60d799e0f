/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A screen in a window of the host's desktop, by SDL 2: for people who develop a system.
 *
 * SDL, which may load what it likes and wait for the window system, is a thread's alone; it begins while the output is
 * opened, so that a missing desktop is an error there. A process with a window has no sandbox, see output_needs.
 */
#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <SDL.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/thread.h"
#include "display/feed.h"
#include "display/frame.h"
#include "display/outputs.h"
#include "display/window-input.h"
#include "seat/sender.h"

/* SDL has one queue of events for the whole process, so there can be one window. */
static atomic_flag is_open = ATOMIC_FLAG_INIT;

struct window {
        struct output output;
        struct loop *loop;           /* borrowed */
        char *name;                  /* owned */
        struct feed feed;
        struct frame *frame; /* borrowed until the next one; NULL: none yet */
        int ask_fd;                  /* owned: eventfd, wakes the loop */
        struct watch ask_watch;
        pthread_t thread;
        bool started, holds_sdl;
        sem_t opened;
        uint32_t wake_event;         /* of SDL, wakes the thread */
        atomic_bool stopping;

        /* The thread's. */
        char *error;                 /* owned: why it could not be opened; the loop's after that */
        struct window_input input;
        SDL_Window *window;
        SDL_Renderer *renderer;
        SDL_Texture *texture;
        pixman_region32_t fresh;     /* scratch */
};

static void wake(struct window *w)
{
        SDL_Event e = { .type = w->wake_event };

        (void) SDL_PushEvent(&e);
}

/* Without a desktop SDL takes a driver that draws for nobody: that has to be asked for. */
static bool has_desktop(void)
{
        if (getenv("SDL_VIDEODRIVER") || strcmp(SDL_GetCurrentVideoDriver(), "offscreen") != 0)
                return true;
        (void) SDL_SetError("there is no desktop to show it on (DISPLAY, WAYLAND_DISPLAY)");
        return false;
}

static bool open_window(struct window *w)
{
        const int width = (int) w->feed.width, height = (int) w->feed.height;

        if (SDL_InitSubSystem(SDL_INIT_VIDEO) < 0 || !has_desktop())
                return false;
        w->window = SDL_CreateWindow(w->name, SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, width, height,
                                     SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI);
        if (!w->window)
                return false;
        w->renderer = SDL_CreateRenderer(w->window, -1, 0);
        if (!w->renderer)
                w->renderer = SDL_CreateRenderer(w->window, -1, SDL_RENDERER_SOFTWARE);
        if (!w->renderer || SDL_RenderSetLogicalSize(w->renderer, width, height) < 0)
                return false;
        w->texture = SDL_CreateTexture(w->renderer, SDL_PIXELFORMAT_RGB888, SDL_TEXTUREACCESS_STREAMING, width, height);
        return w->texture != NULL;
}

static void close_window(struct window *w)
{
        if (w->texture)
                SDL_DestroyTexture(w->texture);
        if (w->renderer)
                SDL_DestroyRenderer(w->renderer);
        if (w->window)
                SDL_DestroyWindow(w->window);
        SDL_QuitSubSystem(SDL_INIT_VIDEO);
}

static void draw(struct window *w)
{
        (void) SDL_RenderClear(w->renderer);
        (void) SDL_RenderCopy(w->renderer, w->texture, NULL, NULL);
        SDL_RenderPresent(w->renderer);
}

static void update_part(const struct frame_part *part, void *data)
{
        const struct pixman_box32 *box = &part->box;
        struct window *w = data;

        (void) SDL_UpdateTexture(w->texture, &(SDL_Rect) { box->x1, box->y1, box->x2 - box->x1, box->y2 - box->y1 },
                                 part->pixels, (int) part->stride_bytes);
}

/* Shows what is fresh, and asks for more. */
static void show_fresh(struct window *w)
{
        auto_cleanup(frame_unrefp) struct frame *frame = feed_take(&w->feed, &w->fresh);

        if (frame)
                frame_each(frame, &w->fresh, update_part, w);
        if (frame)
                draw(w);
        if (feed_want(&w->feed, false))
                fd_event_signal(w->ask_fd);
}

/* The texture has lost its content. */
static void redraw(struct window *w)
{
        feed_open(&w->feed);
        if (feed_want(&w->feed, false))
                fd_event_signal(w->ask_fd);
}

static void handle(struct window *w, const SDL_Event *e)
{
        if (e->type == SDL_WINDOWEVENT && e->window.event == SDL_WINDOWEVENT_EXPOSED)
                draw(w);
        else if (e->type == SDL_WINDOWEVENT && e->window.event == SDL_WINDOWEVENT_CLOSE)
                SDL_HideWindow(w->window); /* the machines go on */
        else if (e->type == SDL_RENDER_TARGETS_RESET || e->type == SDL_RENDER_DEVICE_RESET)
                redraw(w);
        else
                window_input_event(&w->input, e);
}

static void *window_main(void *data)
{
        struct window *w = data;
        bool ok = open_window(w);
        SDL_Event e;

        if (!ok)
                w->error = strdup(SDL_GetError());
        (void) sem_post(&w->opened);
        if (ok)
                show_fresh(w);
        while (ok && !atomic_load(&w->stopping)) {
                bool woken = false;

                if (!SDL_WaitEvent(&e))
                        continue;
                do {
                        if (e.type == w->wake_event)
                                woken = true;
                        else
                                handle(w, &e);
                } while (SDL_PollEvent(&e));
                if (woken)
                        show_fresh(w);
        }
        window_input_reset(&w->input);
        close_window(w);
        SDL_TLSCleanup(); /* of a thread that SDL did not make */
        return NULL;
}

static void window_present(struct output *o, struct frame *frame, const pixman_region32_t *damage)
{
        struct window *w = container_of(o, struct window, output);

        assert(frame->width == w->feed.width && frame->height == w->feed.height);
        w->frame = frame;
        if (feed_give(&w->feed, frame, damage))
                wake(w);
}

static void on_ask(struct watch *watch, uint32_t events)
{
        struct window *w = container_of(watch, struct window, ask_watch);

        (void) fd_event_take(w->ask_fd);
        if (feed_give(&w->feed, w->frame, NULL))
                wake(w);
}

static struct output *window_free(struct output *o)
{
        struct window *w = container_of(o, struct window, output);

        watch_stop(&w->ask_watch);
        if (w->started) {
                atomic_store(&w->stopping, true);
                wake(w);
                (void) pthread_join(w->thread, NULL);
        }
        if (w->holds_sdl)
                atomic_flag_clear(&is_open);
        fd_close(&w->ask_fd);
        w->input.seat = seat_sender_free(w->input.seat);
        feed_deinit(&w->feed);
        pixman_region32_fini(&w->fresh);
        (void) sem_destroy(&w->opened);
        free(w->error);
        free(w->name);
        free(w);
        return NULL;
}

static void window_needs(const struct output *o, struct output_needs *ret)
{
        *ret = (struct output_needs) { .own_rules = true };
}

static const struct output_ops window_ops = {
        .name = "window",
        .present = window_present,
        .free = window_free,
        .needs = window_needs,
};

static int start(struct window *w)
{
        int r = thread_start(&w->thread, "window", window_main, w);

        if (r < 0)
                return r;
        w->started = true;
        while (sem_wait(&w->opened) < 0)
                assert(errno == EINTR);
        return 0;
}

static int open_all(struct window *w, const struct scene_screen *screen, const char *seat, char **ret_error)
{
        int r;

        w->name = strdup(screen->name);
        w->ask_fd = fd_event();
        if (!w->name || w->ask_fd < 0)
                return w->name ? w->ask_fd : -ENOMEM;
        feed_open(&w->feed);
        r = seat ? seat_sender_new(seat, screen->name, &w->input.seat) : 0;
        if (r == 0)
                r = watch_start(&w->ask_watch, w->loop, w->ask_fd, EPOLLIN, on_ask);
        if (r < 0)
                return r;
        (void) SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
        (void) SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
        (void) SDL_SetHint(SDL_HINT_TOUCH_MOUSE_EVENTS, "0"); /* a finger is a finger */
        (void) SDL_SetHint(SDL_HINT_MOUSE_TOUCH_EVENTS, "0");
        w->wake_event = SDL_RegisterEvents(1);
        if (w->wake_event == UINT32_MAX)
                return -ENOMEM;
        r = start(w);
        if (r == 0 && w->error)
                r = output_error(ret_error, -EIO, "window: %s", w->error);
        return r;
}

int window_open(struct loop *loop, const struct scene_screen *screen, const char *seat, char **ret_error,
                struct output **ret)
{
        auto_cleanup(output_freep) struct output *o = NULL;
        struct window *w;
        int r;

        *ret_error = NULL;
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->output.ops = &window_ops;
        w->loop = loop;
        w->ask_fd = -1;
        feed_init(&w->feed, screen->width, screen->height);
        pixman_region32_init(&w->fresh);
        (void) sem_init(&w->opened, 0, 0);
        window_input_init(&w->input, screen->width, screen->height);
        o = &w->output;
        if (screen->width == 0 || screen->height == 0)
                return output_error(ret_error, -EINVAL, "a window needs a size");
        w->holds_sdl = !atomic_flag_test_and_set(&is_open);
        if (!w->holds_sdl)
                return output_error(ret_error, -EBUSY, "one screen of a server may be a window");
        r = open_all(w, screen, seat, ret_error);
        if (r < 0)
                return r;
        *ret = take_ptr(&o);
        return 0;
}
