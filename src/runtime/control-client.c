/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/control-client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"

/* The descriptor, if there is one, goes with the first byte. */
static int send_request(int fd, json_t *request, int passed_fd)
{
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = { .header = {
                              .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
        auto_cleanup(freep) char *text = json_dumps(request, JSON_COMPACT);
        struct iovec data = { .iov_base = text };
        struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };

        if (!text)
                return -ENOMEM;
        if (passed_fd >= 0) {
                memcpy(CMSG_DATA(&control.header), &passed_fd, sizeof(passed_fd));
                message.msg_control = control.bytes;
                message.msg_controllen = sizeof(control.bytes);
        }
        data.iov_len = strlen(text) + 1;
        text[data.iov_len - 1] = '\n'; /* in place of the zero byte */
        while (sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
                if (errno != EINTR)
                        return errno == EAGAIN ? -ETIMEDOUT : -errno;
        return 0;
}

static int receive_line(int fd, char **ret, size_t *ret_n)
{
        auto_cleanup(freep) char *line = NULL;
        size_t used = 0, size = 0;

        for (;;) {
                char *bigger, *end;
                ssize_t k;

                if (used == size) {
                        if (size >= CONTROL_ANSWER_MAX_BYTES)
                                return -EMSGSIZE;
                        size = MAX(2 * size, (size_t) 4096);
                        bigger = realloc(line, size);
                        if (!bigger)
                                return -ENOMEM;
                        line = bigger;
                }
                k = recv(fd, line + used, size - used, 0);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return k == 0 ? -ECONNRESET : errno == EAGAIN ? -ETIMEDOUT : -errno;
                end = memchr(line + used, '\n', (size_t) k);
                used += (size_t) k;
                if (!end)
                        continue;
                *ret_n = (size_t) (end - line);
                *ret = take_ptr(&line);
                return 0;
        }
}

static int call(const char *socket_path, json_t *request, int passed_fd, unsigned timeout_ms, json_t **ret,
                char **ret_error)
{
        struct timeval timeout = { .tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000 };
        auto_cleanup(freep) char *line = NULL;
        auto_cleanup(closep) int fd = -1;
        const char *error;
        json_t *answer;
        size_t n = 0;
        int r;

        fd = fd_unix_connect(socket_path);
        if (fd < 0)
                return fd;
        if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
                return -errno;
        r = send_request(fd, request, passed_fd);
        if (r == 0)
                r = receive_line(fd, &line, &n);
        if (r < 0)
                return r;
        answer = json_loadb(line, n, 0, NULL);
        error = json_string_value(json_object_get(answer, "error"));
        if (!json_is_object(answer))
                r = -EBADMSG;
        else if (error) {
                r = -EREMOTEIO;
                *ret_error = strdup(error);
        } else if (ret)
                *ret = json_incref(answer);
        json_decref(answer);
        return r;
}

int control_call(const char *socket_path, json_t *request_take, unsigned timeout_ms, json_t **ret, char **ret_error)
{
        return control_call_fd(socket_path, request_take, -1, timeout_ms, ret, ret_error);
}

int control_call_fd(const char *socket_path, json_t *request_take, int fd, unsigned timeout_ms, json_t **ret,
                    char **ret_error)
{
        int r;

        *ret_error = NULL;
        r = request_take ? call(socket_path, request_take, fd, timeout_ms, ret, ret_error) : -ENOMEM;
        json_decref(request_take);
        if (r < 0 && !*ret_error)
                *ret_error = strdup(r == -ETIMEDOUT ? "no answer in time" : strerror(-r));
        return r;
}
