/* SPDX-License-Identifier: MPL-2.0 */
/* The twin of vnc-tls.c in builds without GnuTLS. There are no sessions. */
#include <errno.h>

#include "display/vnc-stream.h"

int vnc_tls_new(const char *certificate, const char *key, const char **ret_text, struct vnc_tls **ret)
{
        *ret_text = "this build has no GnuTLS";
        return -ENOTSUP;
}

struct vnc_tls *vnc_tls_free(struct vnc_tls *t) { return NULL; }
int vnc_tls_session_new(struct vnc_tls *t, int fd, struct vnc_tls_session **ret) { return -ENOTSUP; }
struct vnc_tls_session *vnc_tls_session_free(struct vnc_tls_session *s) { return NULL; }
int vnc_tls_handshake(struct vnc_tls_session *s, short *ret_events) { return -ENOTSUP; }
ssize_t vnc_tls_read(struct vnc_tls_session *s, void *buf, size_t n, short *ret_events) { return -ENOTSUP; }
ssize_t vnc_tls_write(struct vnc_tls_session *s, const void *buf, size_t n, short *ret_events) { return -ENOTSUP; }
size_t vnc_tls_pending(struct vnc_tls_session *s) { return 0; }
