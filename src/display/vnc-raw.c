/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Raw updates to a viewer whose pixels are laid out like the screen's: from the frame to the socket. libvncserver, which
 * converts and encodes everything else, would copy them once more, and call write(2) for each 32 KiB.
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
#include "display/vnc-private.h"

#define ROWS_MAX 128 /* of one call */
#define STALL_MS 5000 /* a viewer that takes nothing for so long has gone */

static bool is_same_layout(const rfbPixelFormat *a, const rfbPixelFormat *b)
{
        return a->bitsPerPixel == b->bitsPerPixel && !a->bigEndian == !b->bigEndian && a->trueColour && b->trueColour &&
               a->redMax == b->redMax && a->greenMax == b->greenMax && a->blueMax == b->blueMax && a->redShift == b->redShift &&
               a->greenShift == b->greenShift && a->blueShift == b->blueShift;
}

/* Anything but pixels that is due, the library sends. */
static bool is_plain(rfbClientPtr cl)
{
        return (cl->preferredEncoding == rfbEncodingRaw || cl->preferredEncoding == -1) && cl->scaledScreen == cl->screen &&
               is_same_layout(&cl->format, &cl->screen->serverFormat) && !cl->newFBSizePending && cl->ublen == 0 &&
               !(cl->enableCursorShapeUpdates && cl->cursorWasChanged) && !(cl->enableCursorPosUpdates && cl->cursorWasMoved) &&
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

static int send_rect(rfbClientPtr cl, const sraRect *r)
{
        rfbFramebufferUpdateRectHeader header = { .encoding = htobe32(rfbEncodingRaw) };
        const size_t stride = (size_t) cl->screen->paddedWidthInBytes, width = (size_t) (r->x2 - r->x1) * 4;
        char *row = cl->screen->frameBuffer + (size_t) r->y1 * stride + (size_t) r->x1 * 4;
        size_t n_rows = (size_t) (r->y2 - r->y1);
        struct iovec iov[1 + ROWS_MAX] = { { .iov_base = &header, .iov_len = sz_rfbFramebufferUpdateRectHeader } };
        size_t n_iov = 1;

        header.r.x = htobe16((uint16_t) r->x1);
        header.r.y = htobe16((uint16_t) r->y1);
        header.r.w = htobe16((uint16_t) (r->x2 - r->x1));
        header.r.h = htobe16((uint16_t) n_rows);
        while (n_rows > 0) {
                /* Rows without a gap are one. */
                size_t n = width == stride ? n_rows : 1;
                int error;

                iov[n_iov++] = (struct iovec) { .iov_base = row, .iov_len = n * width };
                row += n * stride;
                n_rows -= n;
                if (n_iov < ARRAY_SIZE(iov) && n_rows > 0)
                        continue;
                error = send_all(cl->sock, iov, n_iov);
                if (error < 0)
                        return error;
                n_iov = 0;
        }
        return 0;
}

static int send_region(rfbClientPtr cl, sraRegionPtr region)
{
        rfbFramebufferUpdateMsg head = { .type = rfbFramebufferUpdate, .nRects = htobe16((uint16_t) sraRgnCountRects(region)) };
        struct iovec iov = { .iov_base = &head, .iov_len = sz_rfbFramebufferUpdateMsg };
        int error = send_all(cl->sock, &iov, 1);
        sraRectangleIterator *i = sraRgnGetIterator(region);
        sraRect r;

        while (error == 0 && i && sraRgnIteratorNext(i, &r))
                error = send_rect(cl, &r);
        if (i)
                sraRgnReleaseIterator(i);
        return i ? error : -ENOMEM;
}

int vnc_send_raw(rfbClientPtr cl)
{
        sraRegionPtr region;
        int error;

        if (!is_plain(cl))
                return 0;
        region = sraRgnCreateRgn(cl->modifiedRegion);
        if (!region)
                return 0;
        (void) sraRgnAnd(region, cl->requestedRegion);
        if (sraRgnCountRects(region) > UINT16_MAX) {
                sraRgnDestroy(region);
                return 0;
        }
        (void) sraRgnSubtract(cl->modifiedRegion, region);
        sraRgnMakeEmpty(cl->requestedRegion);
        error = send_region(cl, region);
        sraRgnDestroy(region);
        if (error < 0)
                rfbCloseClient(cl);
        return error < 0 ? error : 1;
}
