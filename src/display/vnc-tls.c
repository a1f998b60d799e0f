/* SPDX-License-Identifier: MPL-2.0 */
/* TLS of VNC connections by GnuTLS: TLS 1.2 and 1.3 with a certificate. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include <gnutls/gnutls.h>

#include "base/cleanup.h"
#include "display/vnc-stream.h"

struct vnc_tls {
        gnutls_certificate_credentials_t credentials;
        gnutls_priority_t priority;
};

struct vnc_tls_session {
        gnutls_session_t session;
};

static void tls_freep(struct vnc_tls **t) { *t = vnc_tls_free(*t); }
static void session_freep(struct vnc_tls_session **s) { *s = vnc_tls_session_free(*s); }

int vnc_tls_new(const char *certificate, const char *key, const char **ret_text, struct vnc_tls **ret)
{
        auto_cleanup(tls_freep) struct vnc_tls *t = calloc(1, sizeof(*t));
        int r;

        *ret_text = "out of memory";
        if (!t)
                return -ENOMEM;
        r = gnutls_certificate_allocate_credentials(&t->credentials);
        if (r == 0)
                r = gnutls_certificate_set_x509_key_file(t->credentials, certificate, key, GNUTLS_X509_FMT_PEM);
        if (r >= 0)
                r = gnutls_priority_init(&t->priority, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", NULL);
        if (r < 0) {
                *ret_text = gnutls_strerror(r);
                return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL;
        }
        *ret = take_ptr(&t);
        return 0;
}

struct vnc_tls *vnc_tls_free(struct vnc_tls *t)
{
        if (!t)
                return NULL;
        if (t->priority)
                gnutls_priority_deinit(t->priority);
        if (t->credentials)
                gnutls_certificate_free_credentials(t->credentials);
        free(t);
        return NULL;
}

int vnc_tls_session_new(struct vnc_tls *t, int fd, struct vnc_tls_session **ret)
{
        auto_cleanup(session_freep) struct vnc_tls_session *s = calloc(1, sizeof(*s));

        if (!s || gnutls_init(&s->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0)
                return -ENOMEM;
        if (gnutls_priority_set(s->session, t->priority) < 0 ||
            gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, t->credentials) < 0)
                return -ENOMEM;
        gnutls_handshake_set_timeout(s->session, 0); /* the stream has a deadline */
        gnutls_transport_set_int(s->session, fd);
        *ret = take_ptr(&s);
        return 0;
}

struct vnc_tls_session *vnc_tls_session_free(struct vnc_tls_session *s)
{
        if (!s)
                return NULL;
        if (s->session)
                gnutls_deinit(s->session);
        free(s);
        return NULL;
}

static int to_errno(struct vnc_tls_session *s, ssize_t r, short *ret_events)
{
        switch (r) {
        case GNUTLS_E_AGAIN:
        case GNUTLS_E_INTERRUPTED:
                *ret_events = gnutls_record_get_direction(s->session) ? POLLOUT : POLLIN;
                return -EAGAIN;
        case GNUTLS_E_PREMATURE_TERMINATION:
        case GNUTLS_E_PULL_ERROR:
        case GNUTLS_E_PUSH_ERROR:
                return -ECONNRESET;
        case GNUTLS_E_MEMORY_ERROR:
                return -ENOMEM;
        default:
                return -EBADMSG;
        }
}

int vnc_tls_handshake(struct vnc_tls_session *s, short *ret_events)
{
        int r = gnutls_handshake(s->session);

        while (r < 0 && !gnutls_error_is_fatal(r) && r != GNUTLS_E_AGAIN && r != GNUTLS_E_INTERRUPTED)
                r = gnutls_handshake(s->session); /* a warning of the peer's: bounded by what it sends in its time */
        return r < 0 ? to_errno(s, r, ret_events) : 1;
}

ssize_t vnc_tls_read(struct vnc_tls_session *s, void *buf, size_t n, short *ret_events)
{
        ssize_t r = gnutls_record_recv(s->session, buf, n);

        return r < 0 ? to_errno(s, r, ret_events) : r;
}

ssize_t vnc_tls_write(struct vnc_tls_session *s, const void *buf, size_t n, short *ret_events)
{
        ssize_t r = gnutls_record_send(s->session, buf, n);

        return r < 0 ? to_errno(s, r, ret_events) : r;
}

size_t vnc_tls_pending(struct vnc_tls_session *s)
{
        return gnutls_record_check_pending(s->session);
}
