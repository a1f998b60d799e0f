/* SPDX-License-Identifier: MPL-2.0 */
/* Spec: RFC 6143, 7.1 and 7.2; VeNCrypt 0.2 as in the "RFB Protocol" document of the rfbproto project, 7.2.19. */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <rfb/rfb.h>


#include "base/loop.h"
#include "base/macros.h"
#include "display/vnc-stream.h"

#define CHALLENGE_SIZE 16

static int wait_for(struct vnc_stream *s, short events)
{
        struct pollfd fd = { .fd = s->fd, .events = events };
        uint64_t now = clock_now_ns();
        int r;

        if (now >= s->deadline_ns)
                return -ETIMEDOUT;
        r = poll(&fd, 1, (int) MIN((s->deadline_ns - now) / NSEC_PER_MSEC + 1, UINT64_C(60000)));
        return r < 0 && errno != EINTR ? -errno : 0;
}

static ssize_t read_some(struct vnc_stream *s, void *buf, size_t n, short *ret_events)
{
        ssize_t r;

        if (s->tls)
                return vnc_tls_read(s->tls, buf, n, ret_events);
        r = recv(s->fd, buf, n, MSG_DONTWAIT);
        *ret_events = POLLIN;
        return r < 0 ? -errno : r;
}

static ssize_t write_some(struct vnc_stream *s, const void *buf, size_t n, short *ret_events)
{
        ssize_t r;

        if (s->tls)
                return vnc_tls_write(s->tls, buf, n, ret_events);
        r = send(s->fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        *ret_events = POLLOUT;
        return r < 0 ? -errno : r;
}

int vnc_stream_read(struct vnc_stream *s, void *buf, size_t n)
{
        uint8_t *next = buf;

        while (n > 0) {
                short events = POLLIN;
                ssize_t r = read_some(s, next, n, &events);

                if (r == 0)
                        return -ECONNRESET;
                if (r == -EAGAIN || r == -EINTR) {
                        r = wait_for(s, events);
                        if (r < 0)
                                return (int) r;
                        continue;
                }
                if (r < 0)
                        return (int) r;
                next += r;
                n -= (size_t) r;
        }
        return 0;
}

int vnc_stream_write(struct vnc_stream *s, const void *buf, size_t n)
{
        const uint8_t *next = buf;

        while (n > 0) {
                short events = POLLOUT;
                ssize_t r = write_some(s, next, n, &events);

                if (r == -EAGAIN || r == -EINTR) {
                        r = wait_for(s, events);
                        if (r < 0)
                                return (int) r;
                        continue;
                }
                if (r < 0)
                        return (int) r;
                next += r;
                n -= (size_t) r;
        }
        return 0;
}

static int write_u32(struct vnc_stream *s, uint32_t value)
{
        value = htobe32(value);
        return vnc_stream_write(s, &value, sizeof(value));
}

/* "RFB 003.008\n"; what is not known counts as 3.3, as the protocol has it. */
static int exchange_versions(struct vnc_stream *s)
{
        char version[12];
        int r = vnc_stream_write(s, "RFB 003.008\n", sizeof(version));

        if (r == 0)
                r = vnc_stream_read(s, version, sizeof(version));
        if (r < 0)
                return r;
        if (memcmp(version, "RFB 003.", 8) != 0 || version[11] != '\n')
                return -EBADMSG;
        s->minor_version = memcmp(version + 8, "008", 3) == 0 ? 8 : memcmp(version + 8, "007", 3) == 0 ? 7 : 3;
        return 0;
}

/* Viewers of 3.3 are told, others choose from a list of one. */
static int agree_on_security(struct vnc_stream *s, uint8_t type)
{
        const uint8_t list[] = { 1, type };
        uint8_t chosen;
        int r;

        if (s->minor_version == 3)
                return type == rfbSecTypeNone || type == rfbSecTypeVncAuth ? write_u32(s, type) : -EBADMSG;
        r = vnc_stream_write(s, list, sizeof(list));
        if (r == 0)
                r = vnc_stream_read(s, &chosen, sizeof(chosen));
        if (r < 0)
                return r;
        return chosen == type ? 0 : -EBADMSG;
}

static int shake_tls(struct vnc_stream *s)
{
        short events = POLLIN;
        int r;

        while ((r = vnc_tls_handshake(s->tls, &events)) == -EAGAIN) {
                r = wait_for(s, events);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : 0;
}

/* Version 0.2 of VeNCrypt, one subtype, and then TLS for all that follows. */
static int start_tls(struct vnc_stream *s, const struct vnc_door *door)
{
        const uint32_t subtype = htobe32(door->password[0] ? rfbVeNCryptX509VNC : rfbVeNCryptX509None);
        uint8_t version[2], message[6] = { 0, 1 };
        uint32_t chosen;
        int r;

        r = vnc_stream_write(s, (const uint8_t[]) { 0, 2 }, 2);
        if (r == 0)
                r = vnc_stream_read(s, version, sizeof(version));
        if (r == 0 && (version[0] != 0 || version[1] != 2))
                return -EBADMSG;
        memcpy(message + 2, &subtype, sizeof(subtype));
        if (r == 0)
                r = vnc_stream_write(s, message, sizeof(message)); /* the version is fine; a list of one */
        if (r == 0)
                r = vnc_stream_read(s, &chosen, sizeof(chosen));
        if (r == 0 && chosen != subtype)
                return -EBADMSG;
        if (r == 0)
                r = vnc_stream_write(s, (const uint8_t[]) { 1 }, 1);
        if (r == 0)
                r = vnc_tls_session_new(door->tls, s->fd, &s->tls);
        return r < 0 ? r : shake_tls(s);
}

/* Compares all bytes in any case, so that time tells nothing. */
static bool equal(const uint8_t *a, const uint8_t *b, size_t n)
{
        uint8_t difference = 0;

        for (size_t i = 0; i < n; i++)
                difference |= a[i] ^ b[i];
        return difference == 0;
}

static int refuse(struct vnc_stream *s)
{
        static const char reason[] = "wrong password";

        (void) write_u32(s, rfbVncAuthFailed);
        if (s->minor_version == 8 && write_u32(s, sizeof(reason) - 1) == 0)
                (void) vnc_stream_write(s, reason, sizeof(reason) - 1);
        return -EACCES;
}

static int ask_password(struct vnc_stream *s, const char *password)
{
        uint8_t challenge[CHALLENGE_SIZE], response[CHALLENGE_SIZE];
        char key[VNC_PASSWORD_MAX + 1];
        int r;

        if (getrandom(challenge, sizeof(challenge), 0) != sizeof(challenge))
                return -EIO;
        r = vnc_stream_write(s, challenge, sizeof(challenge));
        if (r == 0)
                r = vnc_stream_read(s, response, sizeof(response));
        if (r < 0)
                return r;
        memcpy(key, password, sizeof(key));
        rfbEncryptBytes(challenge, key);
        explicit_bzero(key, sizeof(key));
        return equal(challenge, response, sizeof(challenge)) ? 0 : refuse(s);
}

int vnc_handshake(struct vnc_stream *s, const struct vnc_door *door)
{
        uint8_t type = door->password[0] ? rfbSecTypeVncAuth : rfbSecTypeNone;
        int r;

        r = exchange_versions(s);
        if (r == 0)
                r = agree_on_security(s, door->tls ? rfbVeNCrypt : type);
        if (r == 0 && door->tls)
                r = start_tls(s, door);
        if (r == 0 && door->password[0])
                r = ask_password(s, door->password);
        /* Before 3.8 nothing is said where nothing was asked. */
        if (r == 0 && (door->password[0] || s->minor_version == 8))
                r = write_u32(s, rfbVncAuthOK);
        return r;
}
