/* SPDX-License-Identifier: MPL-2.0 */
/*
 * How a VNC screen serves its viewers: vnc.c on the screen's loop, vnc-viewer.c on a thread for each.
 *
 * libvncserver waits in write(2) for a viewer that does not read, and in read(2) for the rest of a message. So each
 * viewer has a thread and an instance of the library of its own, and is handed frames (feed.h): it can hold up nobody
 * but itself.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rfb/rfb.h>

#include "base/ratelimit.h"
#include "display/feed.h"
#include "display/vnc-stream.h"

#define VNC_VIEWERS_MAX 4
#define VNC_KEYS_MAX 768 /* KEY_* */
#define VNC_WIDTH_MAX 8184u /* a line has to fit into a buffer of libvncserver */

struct frame;
struct picture;
struct seat_sender;
struct vnc_screen;

/* What a viewer holds down. Its thread's. */
struct vnc_input {
        struct seat_sender *seat; /* owned; NULL: nobody listens */
        uint32_t width, height;
        int x, y, buttons;        /* x < 0: none yet */
        uint8_t keys[VNC_KEYS_MAX / 8];
};

struct vnc_slot {
        struct vnc_screen *screen; /* borrowed */
        rfbScreenInfoPtr rfb;      /* owned; made once: making one is not safe beside others */
        struct vnc_input input;
        pthread_t thread;
        bool started;
        int wake_fd;               /* owned: eventfd, wakes the thread */
        struct feed feed;          /* open while a viewer is in */
        pixman_region32_t fresh;   /* the thread's: scratch */
        struct picture *flat;      /* the thread's: a copy of the frame, for the library; NULL: never needed yet */
        pixman_region32_t unlike;  /* where that is unlike the frame */
        atomic_bool stopping;
        pthread_mutex_t lock;      /* of all below */
        int fd;                    /* owned: the connection; -1: free */

        pthread_t relay;           /* TLS only */
        bool relay_started, relay_gone;
        pthread_cond_t relay_cond; /* of the job */
        struct vnc_job {
                struct vnc_tls_session *tls; /* borrowed; NULL: none */
                int fd, plain_fd;            /* borrowed */
        } job;
};

/* What viewers' threads see of the screen; constant once they run, but for the limit. */
struct vnc_screen {
        char *name;                /* owned */
        uint32_t width, height, rate_hz;
        struct vnc_door door;
        int ask_fd;                /* owned: eventfd, wakes the loop */
        pthread_mutex_t log_lock;  /* of the limit */
        struct ratelimit log_limit;
};

void vnc_log(struct vnc_screen *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The thread of a slot: waits for connections and serves them, until the slot is stopping. */
void *vnc_viewer_main(void *slot);

/* The second thread of a slot of a screen with TLS: carries bytes between a session and libvncserver. */
void *vnc_relay_main(void *slot);
/* Begins to, on the slot's thread; and waits for its end, after the connections were shut down. */
void vnc_relay_begin(struct vnc_slot *slot, const struct vnc_job *job);
void vnc_relay_end(struct vnc_slot *slot);

/**
 * vnc_send_raw() - send what a viewer has asked for and is new of a frame, without conversion
 *
 * Return: 1 sent; 0: it wants something else, which is the library's; a negative errno.
 */
int vnc_send_raw(rfbClientPtr cl, const struct frame *frame);

/* Events of a viewer. */
void vnc_input_reset(struct vnc_input *in);
void vnc_input_key(struct vnc_input *in, bool down, uint32_t keysym);
void vnc_input_pointer(struct vnc_input *in, int buttons, int x, int y);
