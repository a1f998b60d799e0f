/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A viewer's connection before libvncserver gets it: the part of the protocol that decides whether it may come in. All
 * of it ends by one deadline, and nothing in it grows with what a viewer sends.
 *
 *      version ─► [VeNCrypt: TLS] ─► [password] ─► libvncserver, which begins at ClientInit
 *
 * libvncserver's own opening is not used: its list of security types is one for the whole process, so that a screen
 * with a password would take viewers without while one of another screen, which has none, comes in; it looks for a
 * WebSocket handshake in what a viewer sends first; and its TLS is for WebSockets only.
 *
 * Threads: of the viewer's. A connection that another thread shuts down ends every wait here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vnc_tls;
struct vnc_tls_session;

#define VNC_PASSWORD_MAX 8 /* what the protocol's DES key holds */

struct vnc_door {
        char password[VNC_PASSWORD_MAX + 1]; /* "": none is asked for */
        struct vnc_tls *tls;                 /* borrowed; NULL: in clear */
};

struct vnc_stream {
        int fd;                       /* borrowed; non-blocking */
        struct vnc_tls_session *tls;  /* owned; NULL: in clear */
        uint64_t deadline_ns;
        int minor_version;            /* after the handshake: 3, 7 or 8 */
};

/**
 * vnc_handshake() - let a viewer in, or not
 * @s: fd and deadline_ns set; tls is set by this, also on failure
 *
 * Return: 0; -EACCES: wrong password; -EBADMSG; -ETIMEDOUT; -ECONNRESET; another negative errno.
 */
int vnc_handshake(struct vnc_stream *s, const struct vnc_door *door);

/* Exactly @n bytes, by the deadline. Return: 0 or a negative errno as above. */
int vnc_stream_read(struct vnc_stream *s, void *buf, size_t n);
int vnc_stream_write(struct vnc_stream *s, const void *buf, size_t n);

/**
 * vnc_tls_new() - a server's certificate and key, both PEM files
 * @ret_text: on failure why, a constant
 *
 * Return: 0 or a negative errno.
 */
int vnc_tls_new(const char *certificate, const char *key, const char **ret_text, struct vnc_tls **ret);
struct vnc_tls *vnc_tls_free(struct vnc_tls *t);

/* A session over @fd, whose handshake is done by the first read or write. Return: 0 or -ENOMEM. */
int vnc_tls_session_new(struct vnc_tls *t, int fd, struct vnc_tls_session **ret);
struct vnc_tls_session *vnc_tls_session_free(struct vnc_tls_session *s);

/*
 * Without waiting. Return: n > 0; 0: the peer has gone; -EAGAIN: *ret_events is what to wait for; another negative
 * errno. After -EAGAIN a write is repeated with the same bytes.
 */
int vnc_tls_handshake(struct vnc_tls_session *s, short *ret_events); /* 1 when done */
ssize_t vnc_tls_read(struct vnc_tls_session *s, void *buf, size_t n, short *ret_events);
ssize_t vnc_tls_write(struct vnc_tls_session *s, const void *buf, size_t n, short *ret_events);

/* Bytes that were decrypted already, which poll(2) does not know of. */
size_t vnc_tls_pending(struct vnc_tls_session *s);
