/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Raw updates to a viewer whose pixels are laid out like the screen's: from the frame to the socket. libvncserver,
 * which converts and encodes everything else, would copy them once more, and call write(2) for each 32 KiB.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <rfb/rfb.h> /* before the others of the library */
#include <rfb/rfbregion.h>

#include "base/macros.h"
#include "display/frame.h"
#include "display/vnc-private.h"

#define ROWS_MAX 128 /* of one call */
#define STALL_MS 5000 /* a viewer that takes nothing for so long has gone */

static bool is_same_layout(const rfbPixelFormat *a, const rfbPixelFormat *b)
{
        return a->bitsPerPixel == b->bitsPerPixel && !a->bigEndian == !b->bigEndian && a->trueColour && b->trueColour &&
               a->redMax == b->redMax && a->greenMax == b->greenMax && a->blueMax == b->blueMax &&
               a->redShift == b->redShift && a->greenShift == b->greenShift && a->blueShift == b->blueShift;
}

/* Anything but pixels that is due, the library sends. */
static bool is_plain(rfbClientPtr cl)
{
        return (cl->preferredEncoding == rfbEncodingRaw || cl->preferredEncoding == -1) &&
               cl->scaledScreen == cl->screen && is_same_layout(&cl->format, &cl->screen->serverFormat) &&
               !cl->newFBSizePending && cl->ublen == 0 &&
               !(cl->enableCursorShapeUpdates && cl->cursorWasChanged) &&
               !(cl->enableCursorPosUpdates && cl->cursorWasMoved) &&
               !cl->enableSupportedMessages && !cl->enableSupportedEncodings && !cl->enableServerIdentity &&
               !cl->enableKeyboardLedState && sraRgnEmpty(cl->copyRegion);
}

static void advance(struct msghdr *m, size_t n)
{
        while (m->msg_iovlen > 0 && n >= m->msg_iov->iov_len) {
                n -= m->msg_iov->iov_len;
                m->msg_iov++;
                m->msg_iovlen--;
        }
        if (m->msg_iovlen > 0) {
                m->msg_iov->iov_base = (char *) m->msg_iov->iov_base + n;
                m->msg_iov->iov_len -= n;
        }
}

static int send_all(int fd, struct iovec *iov, size_t n_iov)
{
        struct msghdr m = { .msg_iov = iov, .msg_iovlen = n_iov };

        while (m.msg_iovlen > 0) {
                struct pollfd writable = { .fd = fd, .events = POLLOUT };
                ssize_t n = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n >= 0)
                        advance(&m, (size_t) n);
                else if (errno != EAGAIN && errno != EINTR)
                        return -errno;
                else if (poll(&writable, 1, STALL_MS) == 0)
                        return -ETIMEDOUT;
        }
        return 0;
}

struct sending {
        int fd, error;
        size_t n_parts;
};

static void count_part(const struct frame_part *part, void *data)
{
        ((struct sending *) data)->n_parts++;
}

static void send_part(const struct frame_part *part, void *data)
{
        struct sending *s = data;
        const struct pixman_box32 *box = &part->box;
        const size_t stride = part->stride_bytes, width = (size_t) (box->x2 - box->x1) * 4;
        size_t n_rows = (size_t) (box->y2 - box->y1), n_iov = 1;
        rfbFramebufferUpdateRectHeader header = {
                .r = { htobe16((uint16_t) box->x1), htobe16((uint16_t) box->y1),
                       htobe16((uint16_t) (box->x2 - box->x1)), htobe16((uint16_t) n_rows) },
                .encoding = htobe32(rfbEncodingRaw),
        };
        struct iovec iov[1 + ROWS_MAX] = { { .iov_base = &header, .iov_len = sz_rfbFramebufferUpdateRectHeader } };
        const uint8_t *row = part->pixels;

        while (n_rows > 0 && s->error == 0) {
                /* Rows without a gap are one. */
                size_t n = width == stride ? n_rows : 1;

                iov[n_iov++] = (struct iovec) { .iov_base = (void *) row, .iov_len = n * width };
                row += n * stride;
                n_rows -= n;
                if (n_iov < ARRAY_SIZE(iov) && n_rows > 0)
                        continue;
                s->error = send_all(s->fd, iov, n_iov);
                n_iov = 0;
        }
}

static int send_region(rfbClientPtr cl, const struct frame *frame, const pixman_region32_t *region)
{
        struct sending s = { .fd = cl->sock };
        rfbFramebufferUpdateMsg head = { .type = rfbFramebufferUpdate };
        struct iovec iov = { .iov_base = &head, .iov_len = sz_rfbFramebufferUpdateMsg };

        frame_each(frame, region, count_part, &s);
        if (s.n_parts > UINT16_MAX)
                return -E2BIG;
        head.nRects = htobe16((uint16_t) s.n_parts);
        s.error = send_all(cl->sock, &iov, 1);
        frame_each(frame, region, send_part, &s);
        return s.error;
}

/* False: no memory. */
static bool read_region(sraRegionPtr from, pixman_region32_t *ret)
{
        sraRectangleIterator *i = sraRgnGetIterator(from);
        bool ok = i != NULL;
        sraRect r;

        while (ok && sraRgnIteratorNext(i, &r))
                ok = pixman_region32_union_rect(ret, ret, r.x1, r.y1, (unsigned) (r.x2 - r.x1),
                                                (unsigned) (r.y2 - r.y1));
        if (i)
                sraRgnReleaseIterator(i);
        return ok;
}

int vnc_send_raw(rfbClientPtr cl, const struct frame *frame)
{
        sraRegionPtr due;
        pixman_region32_t region;
        int error;

        if (!is_plain(cl))
                return 0;
        due = sraRgnCreateRgn(cl->modifiedRegion);
        if (!due)
                return 0;
        (void) sraRgnAnd(due, cl->requestedRegion);
        (void) sraRgnSubtract(cl->modifiedRegion, due);
        sraRgnMakeEmpty(cl->requestedRegion);
        pixman_region32_init(&region);
        error = read_region(due, &region) ? send_region(cl, frame, &region) : -ENOMEM;
        pixman_region32_fini(&region);
        sraRgnDestroy(due);
        if (error < 0)
                rfbCloseClient(cl);
        return error < 0 ? error : 1;
}
