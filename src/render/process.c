/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Memory: what the guest's resources are backed by is pointers into its memory, so a new memory table first takes all
 * of the old one away: whoever sent it attaches its resources again.
 */
#include "render/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_gpu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <virgl/virglrenderer.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/ratelimit.h"
#include "mem/space.h"
#include "render/protocol.h"

struct request {
        struct render_request header;
        void *payload; /* owned */
        int fds[RENDER_FDS_MAX]; /* owned */
        size_t n_fds;
};

static void request_deinit(struct request *rq)
{
        for (size_t i = 0; i < rq->n_fds; i++)
                (void) close(rq->fds[i]);
        free(rq->payload);
}

/* Linux puts all of a message's descriptors behind one header, and no more than there is room for;
   neither is relied on. */
static void take_fds(struct request *rq, struct msghdr *message)
{
        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
                        auto_cleanup(closep) int fd = -1;

                        memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
                        if (rq->n_fds < RENDER_FDS_MAX)
                                rq->fds[rq->n_fds++] = take_fd(&fd);
                }
        }
}

/* Return: 0; -ENODATA if the other side closed; a negative errno. */
static int request_receive(int fd, struct request *ret)
{
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(int) * RENDER_FDS_MAX)];
        } control;
        struct iovec part = { &ret->header, sizeof(ret->header) };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                                  .msg_controllen = sizeof(control) };
        ssize_t n;
        int r;

        do
                n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return n < 0 ? -errno : -ENODATA;
        take_fds(ret, &message);
        r = fd_read_full(fd, (char *) &ret->header + n, sizeof(ret->header) - (size_t) n);
        if (r < 0)
                return r;
        if (ret->header.size_bytes > RENDER_PAYLOAD_MAX)
                return -EBADMSG;
        ret->payload = malloc(ret->header.size_bytes + 1);
        if (!ret->payload)
                return -ENOMEM;
        return fd_read_full(fd, ret->payload, ret->header.size_bytes);
}

static uint32_t set_memory(struct render_process *p, const struct request *rq)
{
        const struct render_region *regions = rq->payload;
        struct space *space;

        if (rq->header.size_bytes != rq->n_fds * sizeof(*regions) || space_new(&space) < 0)
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        for (size_t i = 0; i < rq->n_fds; i++) {
                struct region_spec spec = { .start = regions[i].start, .user_address = regions[i].start,
                                            .size_bytes = regions[i].size_bytes,
                                            .fd_offset_bytes = regions[i].fd_offset_bytes };

                if (space_add(space, &spec, rq->fds[i]) < 0) {
                        space_free(space);
                        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
                }
        }
        render_backing_clear(p);
        space_free(p->space);
        p->space = space;
        return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t set_frame(struct render_process *p, const struct request *rq)
{
        struct stat st;
        void *pixels;

        if (rq->n_fds != 1 || fstat(rq->fds[0], &st) < 0 || st.st_size <= 0)
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        pixels = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, rq->fds[0], 0);
        if (pixels == MAP_FAILED)
                return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
        if (p->frame.pixels)
                (void) munmap(p->frame.pixels, p->frame.size_bytes);
        p->frame.pixels = pixels;
        p->frame.size_bytes = (size_t) st.st_size;
        return VIRTIO_GPU_RESP_OK_NODATA;
}

/*
 * virglrenderer turns rows by itself: whether a resource's storage begins with the lowest one (its flag Y_0_TOP) is a
 * matter of the GL object behind it. Both ways a guest's row 0 is the top of what it shows.
 */
static uint32_t read_pixels(struct render_process *p, const struct request *rq)
{
        const struct render_read *in = rq->payload;
        struct virgl_box box;
        struct iovec iov;
        uint64_t n_bytes;

        if (rq->header.size_bytes != sizeof(*in) || in->width == 0 || in->height == 0)
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        n_bytes = (uint64_t) in->width * in->height * 4;
        if (n_bytes > p->frame.size_bytes)
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        box = (struct virgl_box){ .x = in->x, .y = in->y, .w = in->width, .h = in->height, .d = 1 };
        iov = (struct iovec){ p->frame.pixels, n_bytes };
        if (virgl_renderer_transfer_read_iov(in->resource, 0, 0, in->width * 4, 0, &box, 0, &iov, 1) != 0)
                return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t handle(struct render_process *p, const struct request *rq)
{
        p->n_answer = 0;
        switch (rq->header.type) {
        case RENDER_MEMORY: return set_memory(p, rq);
        case RENDER_COMMAND: return render_command_do(p, rq->payload, rq->header.size_bytes);
        case RENDER_BACKING: return render_backing_set(p, rq->payload, rq->header.size_bytes);
        case RENDER_FRAME: return set_frame(p, rq);
        case RENDER_READ: return read_pixels(p, rq);
        default: return VIRTIO_GPU_RESP_ERR_UNSPEC;
        }
}

/* Return: 0; -ENODATA when the other side closed; a negative errno. */
static int serve_one(struct render_process *p)
{
        struct request rq = { 0 };
        struct render_reply reply;
        int r = request_receive(p->fd, &rq);

        if (r == 0) {
                reply.type = handle(p, &rq);
                reply.size_bytes = (uint32_t) p->n_answer;
                r = fd_write_full(p->fd, &reply, sizeof(reply));
        }
        if (r == 0)
                r = fd_write_full(p->fd, p->answer, p->n_answer);
        request_deinit(&rq);
        return r;
}

static void fence_written(void *cookie, uint32_t fence)
{
        struct render_process *p = cookie;

        p->fence_done = fence;
}

/* What virglrenderer says of a guest's mistakes. */
static void log_guest(const char *format, va_list ap)
{
        static struct ratelimit limit = { .per_second = 1, .burst = 5, .tokens = 5 };
        char text[256];

        if (log_get_level() < LOG_LEVEL_DEBUG || !ratelimit_take(&limit, 1, clock_now_ns()))
                return;
        (void) vsnprintf(text, sizeof(text), format, ap);
        text[strcspn(text, "\n")] = '\0';
        log_debug("render", "%s", text);
}

static void deinit(struct render_process *p)
{
        render_backing_clear(p);
        virgl_renderer_cleanup(p);
        if (p->frame.pixels)
                (void) munmap(p->frame.pixels, p->frame.size_bytes);
        space_free(p->space);
        free(p->backed);
        free(p->answer);
}

int render_process_run(int fd)
{
        static struct virgl_renderer_callbacks callbacks = { .version = 1, .write_fence = fence_written };
        struct render_process p = { .fd = fd };
        int r = space_new(&p.space);

        (void) virgl_set_debug_callback(log_guest);
        if (r == 0 && virgl_renderer_init(&p, VIRGL_RENDERER_USE_EGL | VIRGL_RENDERER_USE_SURFACELESS, &callbacks) != 0)
                r = -ENODEV;
        if (r == 0)
                r = render_lock_down();
        if (r < 0) {
                log_error("render", "cannot start: %s", strerror(-r));
                return 1;
        }
        while (r == 0)
                r = serve_one(&p);
        deinit(&p);
        return r == -ENODATA ? 0 : 1;
}
