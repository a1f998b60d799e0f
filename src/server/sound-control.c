/* SPDX-License-Identifier: MPL-2.0 */
#include "server/sound-control.h"

#include <errno.h>
#include <stdlib.h>

#include "audio/speakers.h"
#include "base/macros.h"
#include "device/sound/sound.h"
#include "server/stats-control.h"

struct sound_control {
        struct stats_control socket;
        struct { const char *id; const struct device *dev; } *guests; /* owned */
        const struct speakers **speakers; /* owned, each borrowed */
        size_t n_guests, n_speakers;
};

static json_t *make_stats(const struct stats_control *socket)
{
        const struct sound_control *c = container_of(socket, struct sound_control, socket);
        json_t *guests = json_array(), *speakers = json_array();

        for (size_t i = 0; i < c->n_speakers; i++) {
                const struct speakers *s = c->speakers[i];
                struct speakers_stats stats;

                speakers_get_stats(s, &stats);
                (void) json_array_append_new(speakers,
                        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "name", speakers_name(s),
                                  "rate", (json_int_t) speakers_rate(s),
                                  "periodFrames", (json_int_t) speakers_period(s),
                                  "periods", (json_int_t) stats.n_periods, "missed", (json_int_t) stats.n_missed,
                                  "lateMaxNs", (json_int_t) stats.late_max_ns, "realtime", speakers_realtime(s)));
        }
        for (size_t i = 0; i < c->n_guests; i++) {
                struct sound_stats stats;

                sound_get_stats(c->guests[i].dev, &stats);
                (void) json_array_append_new(guests, json_pack("{s:s, s:I, s:I}", "id", c->guests[i].id, "running",
                                                               (json_int_t) stats.n_running, "xruns",
                                                               (json_int_t) stats.n_xruns));
        }
        return json_pack("{s:o, s:o}", "speakers", speakers, "guests", guests);
}

int sound_control_new(struct loop *loop, const char *path, struct sound_control **ret)
{
        struct sound_control *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        r = stats_control_open(&c->socket, loop, path, make_stats);
        if (r < 0) {
                free(c);
                return r;
        }
        *ret = c;
        return 0;
}

struct sound_control *sound_control_free(struct sound_control *c)
{
        if (!c)
                return NULL;
        stats_control_close(&c->socket);
        free(c->guests);
        free(c->speakers);
        free(c);
        return NULL;
}

int sound_control_add_guest(struct sound_control *c, const char *id, const struct device *dev)
{
        void *guests = realloc(c->guests, (c->n_guests + 1) * sizeof(*c->guests));

        if (!guests)
                return -ENOMEM;
        c->guests = guests;
        c->guests[c->n_guests].id = id;
        c->guests[c->n_guests++].dev = dev;
        return 0;
}

int sound_control_add_speakers(struct sound_control *c, const struct speakers *s)
{
        const struct speakers **speakers = realloc(c->speakers, (c->n_speakers + 1) * sizeof(*speakers));

        if (!speakers)
                return -ENOMEM;
        c->speakers = speakers;
        c->speakers[c->n_speakers++] = s;
        return 0;
}

int sound_control_sandbox(const struct sound_control *c, struct sandbox *sandbox)
{
        return stats_control_sandbox(&c->socket, sandbox);
}
