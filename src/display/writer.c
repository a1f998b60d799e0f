/* SPDX-License-Identifier: MPL-2.0 */
#include "display/writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/thread.h"
#include "display/image.h"
#include "display/picture.h"

#define RGB_MASK 0x00ffffffu
#define FILE_PIECE_BYTES (1u << 20)

struct writer {
        struct watch finished;
        int finished_fd; /* owned: eventfd, the thread's */
        int stop_fd;     /* owned: eventfd, the loop's: what is being written ends */
        writer_fn done;
        void *data;
        pthread_t thread;
        bool is_started, is_busy;

        pthread_mutex_t lock; /* all that follows */
        pthread_cond_t changed;
        bool has_job, is_stopping, has_ended;
        int fd; /* borrowed */
        bool is_pipe;
        struct picture *picture; /* a reference */
        bool is_raw;
        struct writer_frame frame;
        int result;
};

int writer_check_fd(int fd)
{
        struct stat st;
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH))
                return -EBADF;
        if (fstat(fd, &st) < 0)
                return -errno;
        return S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) ? 0 : -EINVAL;
}

/* Waits until the pipe takes PIPE_BUF bytes without blocking. */
static int wait_for_reader(const struct writer *w)
{
        struct pollfd fds[] = { { .fd = w->fd, .events = POLLOUT }, { .fd = w->stop_fd, .events = POLLIN } };
        int n = poll(fds, ARRAY_SIZE(fds), WRITER_PATIENCE_MS);

        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        if (fds[1].revents)
                return -ECANCELED;
        return n == 0 ? -ETIMEDOUT : 0;
}

static int write_bytes(const struct writer *w, const void *bytes, size_t n)
{
        const uint8_t *from = bytes;

        while (n > 0) {
                ssize_t k;
                int r = w->is_pipe ? wait_for_reader(w) : 0;

                if (r < 0)
                        return r;
                k = write(w->fd, from, MIN(n, (size_t) (w->is_pipe ? PIPE_BUF : FILE_PIECE_BYTES)));
                if (k < 0 && errno != EINTR && errno != EAGAIN)
                        return -errno;
                if (k > 0) {
                        from += k;
                        n -= (size_t) k;
                }
        }
        return 0;
}

static int write_png(const struct writer *w)
{
        auto_cleanup(freep) uint8_t *png = NULL;
        size_t n;
        int r;

        r = image_encode(w->picture, &png, &n);
        return r < 0 ? r : write_bytes(w, png, n);
}

static int write_raw(struct writer *w)
{
        const struct picture *p = w->picture;
        auto_cleanup(freep) uint32_t *row = malloc((size_t) p->width * 4);
        int r;

        if (!row)
                return -ENOMEM;
        r = write_bytes(w, &w->frame, sizeof(w->frame));
        for (uint32_t y = 0; y < p->height && r == 0; y++) {
                const uint32_t *from = (const uint32_t *) (const void *) (p->pixels + (size_t) y * p->stride_bytes);

                for (uint32_t x = 0; x < p->width; x++)
                        row[x] = from[x] & RGB_MASK;
                r = write_bytes(w, row, (size_t) p->width * 4);
        }
        return r;
}

static void *writer_main(void *data)
{
        struct writer *w = data;

        pthread_mutex_lock(&w->lock);
        for (;;) {
                int r;

                while (!w->has_job && !w->is_stopping)
                        pthread_cond_wait(&w->changed, &w->lock);
                if (w->is_stopping)
                        break;
                pthread_mutex_unlock(&w->lock);
                r = w->is_raw ? write_raw(w) : write_png(w);
                pthread_mutex_lock(&w->lock);
                w->result = r;
                w->has_job = false;
                fd_event_signal(w->finished_fd);
        }
        w->has_ended = true;
        pthread_cond_signal(&w->changed);
        pthread_mutex_unlock(&w->lock);
        return NULL;
}

static void on_finished(struct watch *watch, uint32_t events)
{
        struct writer *w = container_of(watch, struct writer, finished);
        int result;

        (void) fd_event_take(w->finished_fd);
        (void) fd_event_take(w->stop_fd);
        pthread_mutex_lock(&w->lock);
        result = w->result;
        w->picture = picture_unref(w->picture);
        pthread_mutex_unlock(&w->lock);
        w->is_busy = false;
        w->done(w->data, result);
}

int writer_new(struct loop *loop, writer_fn done, void *data, struct writer **ret)
{
        struct writer *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        w->done = done;
        w->data = data;
        thread_mutex_init(&w->lock); /* a real-time loop may wait for it */
        pthread_cond_init(&w->changed, NULL);
        w->finished_fd = fd_event();
        w->stop_fd = fd_event();
        r = w->finished_fd < 0 ? w->finished_fd : MIN(w->stop_fd, 0);
        if (r == 0)
                r = watch_start(&w->finished, loop, w->finished_fd, EPOLLIN, on_finished);
        if (r < 0) {
                writer_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

int writer_start(struct writer *w)
{
        int r;

        assert(!w->is_started);
        r = thread_start(&w->thread, "display-writer", writer_main, w);
        w->is_started = r == 0;
        return r;
}

/* False: the thread hangs. */
static bool stop_thread(struct writer *w)
{
        struct timespec until;
        bool has_ended;

        (void) clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        fd_event_signal(w->stop_fd);
        pthread_mutex_lock(&w->lock);
        w->is_stopping = true;
        pthread_cond_signal(&w->changed);
        while (!w->has_ended && pthread_cond_clockwait(&w->changed, &w->lock, CLOCK_MONOTONIC, &until) == 0)
                ;
        has_ended = w->has_ended;
        pthread_mutex_unlock(&w->lock);
        return has_ended && pthread_join(w->thread, NULL) == 0;
}

struct writer *writer_free(struct writer *w)
{
        if (!w)
                return NULL;
        watch_stop(&w->finished);
        if (w->is_started && !stop_thread(w)) {
                (void) pthread_detach(w->thread);
                return NULL;
        }
        picture_unref(w->picture);
        fd_close(&w->finished_fd);
        fd_close(&w->stop_fd);
        pthread_cond_destroy(&w->changed);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return NULL;
}

void writer_cancel(struct writer *w)
{
        if (w->is_busy)
                fd_event_signal(w->stop_fd);
}

bool writer_is_busy(const struct writer *w) { return w->is_busy; }

void writer_submit(struct writer *w, int fd, struct picture *p_take, const struct writer_frame *frame)
{
        struct stat st = { 0 };

        assert(!w->is_busy);
        (void) fstat(fd, &st);
        pthread_mutex_lock(&w->lock);
        w->fd = fd;
        w->is_pipe = S_ISFIFO(st.st_mode);
        w->picture = p_take;
        w->is_raw = frame != NULL;
        if (frame) {
                w->frame = *frame;
                memcpy(w->frame.magic, WRITER_MAGIC, sizeof(w->frame.magic));
                w->frame.width = p_take->width;
                w->frame.height = p_take->height;
        }
        w->has_job = true;
        w->is_busy = true;
        pthread_cond_signal(&w->changed);
        pthread_mutex_unlock(&w->lock);
}
