/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Border: what a monitor, which its guest may have taken over, sends to its supervisor. Input is a list of packets,
 * each after two bytes of its length, low byte first. After the client has closed the connection nothing more may come
 * of it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "platform/monitor-client.h"

/* Checked in release builds too. */
#define expect(condition)        \
        do {                     \
                if (!(condition)) \
                        abort(); \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned n_closed;

static void on_ready(void *data) { expect(n_closed == 0); }
static void on_running(bool running, void *data) { expect(n_closed == 0); }

static void on_ended(const char *how, const char *text, void *data)
{
        expect(n_closed == 0 && how && text && strlen(how) <= 4096 && strlen(text) <= 4096);
}

static void on_error(const char *text, void *data) { expect(n_closed == 0 && text && strlen(text) <= 4096); }
static void on_closed(const char *broken, void *data) { n_closed++; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct monitor_client_handlers handlers = { on_ready, on_running, on_ended, on_error, on_closed };
        struct monitor_client *client;
        struct loop *loop;
        int ends[2];

        n_closed = 0;
        expect(loop_new(&loop) == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
        expect(monitor_client_new(loop, ends[0], &handlers, NULL, &client) == 0);
        while (size >= 2) {
                size_t n = (size_t) data[0] | (size_t) data[1] << 8;

                data += 2;
                size -= 2;
                n = n < size ? n : size;
                (void) send(ends[1], data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
                data += n;
                size -= n;
                expect(loop_step(loop, 0) == 0);
                (void) monitor_client_ask(client, "pause");
        }
        (void) close(ends[1]);
        for (int i = 0; i < 32 && n_closed == 0; i++)
                expect(loop_step(loop, 0) == 0);
        expect(n_closed == 1 && monitor_client_ask(client, "pause") < 0);
        monitor_client_free(client);
        loop_free(loop);
        return 0;
}
