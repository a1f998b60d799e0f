/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One viewer's thread. What a viewer may say to libvncserver is what a viewer needs: pixel format, encodings, requests,
 * keys, pointer. Clipboards are read and thrown away here, everything else (file transfer, chat, scaling, WebSockets)
 * ends the connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rfb/rfb.h> /* before the others of the library */
#include <rfb/rfbregion.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/macros.h"
#include "display/frame.h"
#include "display/picture.h"
#include "display/vnc-private.h"

#define HANDSHAKE_NS (10 * NSEC_PER_SEC)
#define CUT_TEXT_MAX (1u << 20)
#define BOXES_MAX 50 /* of an update, as libvncserver has it */

static const char opening[] = "RFB 003.008\n";

static void on_key(rfbBool down, rfbKeySym keysym, rfbClientPtr cl)
{
        struct vnc_slot *slot = cl->screen->screenData;

        vnc_input_key(&slot->input, down, keysym);
}

static void on_pointer(int buttons, int x, int y, rfbClientPtr cl)
{
        struct vnc_slot *slot = cl->screen->screenData;

        vnc_input_pointer(&slot->input, buttons, x, y);
}

/*
 * A client of the library on a socket of ours: a new one on a socket pair, whose opening is read away, with the
 * connection put in the place of the pair's end. *ret_peer is the other end with TLS, else -1.
 */
static rfbClientPtr new_client(struct vnc_slot *slot, const struct vnc_stream *s, int *ret_peer)
{
        auto_cleanup(closep) int peer = -1;
        char byte[sizeof(opening) - 1];
        rfbClientPtr cl;
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return NULL;
        peer = pair[1];
        /* The library keeps descriptors in an fd_set; and finds out at once that this is no WebSocket. */
        if (pair[0] >= FD_SETSIZE || write(peer, opening, sizeof(byte)) != sizeof(byte)) {
                (void) close(pair[0]);
                return NULL;
        }
        cl = rfbNewClient(slot->rfb, pair[0]);
        if (!cl)
                return NULL;
        if (read(pair[0], byte, sizeof(byte)) != sizeof(byte) || read(peer, byte, sizeof(byte)) != sizeof(byte) ||
            (!s->tls && dup3(s->fd, pair[0], O_CLOEXEC) < 0)) {
                rfbCloseClient(cl);
                rfbClientConnectionGone(cl);
                return NULL;
        }
        cl->protocolMajorVersion = 3;
        cl->protocolMinorVersion = s->minor_version;
        cl->state = RFB_INITIALISATION;
        *ret_peer = s->tls ? take_fd(&peer) : -1;
        return cl;
}

/* Clipboards: nobody wants them. */
static void skip_cut_text(rfbClientPtr cl)
{
        uint8_t header[8], part[4096];
        uint32_t n;

        if (rfbReadExact(cl, (char *) header, sizeof(header)) <= 0) {
                rfbCloseClient(cl);
                return;
        }
        n = (uint32_t) header[4] << 24 | (uint32_t) header[5] << 16 | (uint32_t) header[6] << 8 | header[7];
        if (n > CUT_TEXT_MAX && n < -CUT_TEXT_MAX) { /* negative: of the extended clipboard */
                rfbCloseClient(cl);
                return;
        }
        n = n > CUT_TEXT_MAX ? -n : n;
        while (n > 0) {
                uint32_t now = MIN(n, (uint32_t) sizeof(part));

                if (rfbReadExact(cl, (char *) part, (int) now) <= 0) {
                        rfbCloseClient(cl);
                        return;
                }
                n -= now;
        }
}

static void process_message(struct vnc_slot *slot, rfbClientPtr cl)
{
        uint8_t type;
        ssize_t n = recv(cl->sock, &type, 1, MSG_PEEK | MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                rfbCloseClient(cl);
                return;
        }
        if (cl->state != RFB_NORMAL) {
                rfbProcessClientMessage(cl);
                return;
        }
        switch (type) {
        case rfbSetPixelFormat:
        case rfbSetEncodings:
        case rfbFramebufferUpdateRequest:
        case rfbKeyEvent:
        case rfbPointerEvent:
                rfbProcessClientMessage(cl);
                return;
        case rfbClientCutText:
                skip_cut_text(cl);
                return;
        default:
                vnc_log(slot->screen, "a viewer sent a message of type %u, which is not offered", type);
                rfbCloseClient(cl);
        }
}

static bool overlap(sraRegionPtr a, sraRegionPtr b)
{
        sraRegionPtr both = sraRgnCreateRgn(a);
        bool any = both && sraRgnAnd(both, b);

        if (both)
                sraRgnDestroy(both);
        return any;
}

static void mark(struct vnc_slot *slot)
{
        int n;
        const pixman_box32_t *boxes = pixman_region32_rectangles(&slot->fresh, &n);
        pixman_box32_t all = { 0, 0, (int) slot->screen->width, (int) slot->screen->height };

        if (!pixman_region32_union(&slot->unlike, &slot->unlike, &slot->fresh))
                pixman_region32_reset(&slot->unlike, &all);
        if (n > BOXES_MAX) {
                boxes = pixman_region32_extents(&slot->fresh);
                n = 1;
        }
        for (int i = 0; i < n; i++)
                rfbMarkRectAsModified(slot->rfb, boxes[i].x1, boxes[i].y1, boxes[i].x2, boxes[i].y2);
}

/* The library wants all pixels in one place. */
static void send_encoded(struct vnc_slot *slot, rfbClientPtr cl, const struct frame *frame)
{
        if (!slot->flat && picture_new(PIXMAN_x8r8g8b8, frame->width, frame->height, &slot->flat) < 0) {
                rfbCloseClient(cl);
                return;
        }
        frame_copy(frame, &slot->unlike, slot->flat->pixels, slot->flat->stride_bytes);
        pixman_region32_clear(&slot->unlike);
        slot->rfb->frameBuffer = (char *) slot->flat->pixels;
        slot->rfb->paddedWidthInBytes = (int) slot->flat->stride_bytes;
        (void) rfbUpdateClient(cl);
        slot->rfb->frameBuffer = NULL;
}

/* Sends what the viewer has asked for, or has it handed over. Return: whether an update was sent. */
static bool update(struct vnc_slot *slot, rfbClientPtr cl)
{
        auto_cleanup(frame_unrefp) struct frame *frame = NULL;
        bool is_due;

        if (cl->state != RFB_NORMAL || sraRgnEmpty(cl->requestedRegion))
                return false;
        frame = feed_take(&slot->feed, &slot->fresh);
        mark(slot);
        is_due = overlap(cl->modifiedRegion, cl->requestedRegion);
        if (frame && is_due) {
                if (vnc_send_raw(cl, frame) == 0)
                        send_encoded(slot, cl, frame);
                return true;
        }
        /* What is due but was new to an earlier frame is in every later one. */
        if (feed_want(&slot->feed, is_due))
                fd_event_signal(slot->screen->ask_fd);
        return false;
}

static int wait_ms(uint64_t until_ns)
{
        uint64_t now = clock_now_ns();

        return now >= until_ns ? 0 : (int) MIN((until_ns - now) / NSEC_PER_MSEC + 1, UINT64_C(60000));
}

/* Until the viewer goes, or is sent away. */
static void serve(struct vnc_slot *slot, rfbClientPtr cl, uint64_t deadline_ns)
{
        /* Of a viewer that asks for everything again and again, somewhat more than the screen has is enough. */
        const uint64_t gap_ns = NSEC_PER_SEC / (2 * slot->screen->rate_hz);
        uint64_t next_ns = 0;

        while (cl->sock != RFB_INVALID_SOCKET && !atomic_load(&slot->stopping)) {
                struct pollfd fds[] = { { .fd = cl->sock, .events = POLLIN },
                                        { .fd = slot->wake_fd, .events = POLLIN } };
                uint64_t now = clock_now_ns();
                int timeout = -1;

                if (cl->state != RFB_NORMAL)
                        timeout = wait_ms(deadline_ns);
                else if (now < next_ns)
                        timeout = wait_ms(next_ns);
                else if (update(slot, cl))
                        next_ns = now + gap_ns;
                if (cl->sock == RFB_INVALID_SOCKET)
                        return;
                if (cl->state != RFB_NORMAL && timeout == 0) {
                        vnc_log(slot->screen, "a viewer took too long to come in");
                        return;
                }
                if (poll(fds, 2, timeout) < 0 && errno != EINTR)
                        return;
                if (fds[1].revents)
                        (void) fd_event_take(slot->wake_fd);
                if (fds[0].revents)
                        process_message(slot, cl);
        }
}

static void serve_stream(struct vnc_slot *slot, struct vnc_stream *s)
{
        auto_cleanup(closep) int peer = -1;
        rfbClientPtr cl;

        feed_open(&slot->feed);
        cl = new_client(slot, s, &peer);
        if (cl) {
                if (s->tls)
                        vnc_relay_begin(slot, &(struct vnc_job) { .tls = s->tls, .fd = s->fd, .plain_fd = peer });
                serve(slot, cl, s->deadline_ns);
                if (cl->sock != RFB_INVALID_SOCKET)
                        rfbCloseClient(cl);
                rfbClientConnectionGone(cl);
                if (s->tls) {
                        (void) shutdown(s->fd, SHUT_RDWR);
                        vnc_relay_end(slot);
                }
        } else
                vnc_log(slot->screen, "a viewer cannot be served: no memory or descriptors are left");
        vnc_input_reset(&slot->input);
        feed_close(&slot->feed);
        slot->flat = picture_unref(slot->flat);
}

static const char *reason(int error)
{
        switch (error) {
        case -EACCES:
                return "wrong password";
        case -EBADMSG:
                return "it does not speak this protocol, or has no such security";
        case -ETIMEDOUT:
                return "it took too long to come in";
        default:
                return strerror(-error);
        }
}

static void serve_connection(struct vnc_slot *slot, int fd)
{
        struct vnc_stream stream = { .fd = fd, .deadline_ns = clock_now_ns() + HANDSHAKE_NS };
        int r = vnc_handshake(&stream, &slot->screen->door);

        if (r == 0) {
                vnc_log(slot->screen, "a viewer has come in");
                serve_stream(slot, &stream);
                vnc_log(slot->screen, "a viewer has gone");
        } else if (!atomic_load(&slot->stopping))
                vnc_log(slot->screen, "a viewer was refused: %s", reason(r));
        stream.tls = vnc_tls_session_free(stream.tls);
}

void *vnc_viewer_main(void *data)
{
        struct vnc_slot *slot = data;

        slot->rfb->kbdAddEvent = on_key;
        slot->rfb->ptrAddEvent = on_pointer;
        while (!atomic_load(&slot->stopping)) {
                struct pollfd wake = { .fd = slot->wake_fd, .events = POLLIN };
                int fd;

                (void) poll(&wake, 1, -1);
                (void) fd_event_take(slot->wake_fd);
                pthread_mutex_lock(&slot->lock);
                fd = slot->fd;
                pthread_mutex_unlock(&slot->lock);
                if (fd < 0)
                        continue;
                serve_connection(slot, fd);
                pthread_mutex_lock(&slot->lock);
                fd_close(&slot->fd); /* who sees the end of the connection may come again: there is room */
                pthread_mutex_unlock(&slot->lock);
        }
        return NULL;
}
