/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Reports that wait. While there is room every report is kept; from half full on, a report that only says that
 * something moved further takes the place of the one before it if that says the same (positions are replaced, clicks
 * of a wheel added).
 */
#include <assert.h>
#include <string.h>

#include "base/macros.h"
#include "device/input-private.h"

static struct sink_event *at(struct input_backlog *b, size_t i)
{
        return &b->events[(b->head + i) % INPUT_BACKLOG];
}

static bool is_motion(const struct sink_event *e)
{
        return e->type == EV_REL || (e->type == EV_ABS && e->code != ABS_MT_TRACKING_ID);
}

/* The last report and this one have the same events but for how far things moved. */
static bool same_shape(struct input_backlog *b, const struct sink_event *events, size_t n)
{
        if (b->n_last != n + 1)
                return false;
        for (size_t i = 0; i < n; i++) {
                const struct sink_event *old = at(b, b->n - b->n_last + i);

                if (!is_motion(&events[i]) || old->type != events[i].type || old->code != events[i].code ||
                    (old->code == ABS_MT_SLOT && old->type == EV_ABS && old->value != events[i].value))
                        return false;
        }
        return true;
}

static void merge(struct input_backlog *b, const struct sink_event *events, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                struct sink_event *old = at(b, b->n - b->n_last + i);
                int32_t sum;

                if (events[i].type == EV_ABS)
                        old->value = events[i].value;
                else if (!add_overflows(old->value, events[i].value, &sum))
                        old->value = sum;
        }
}

void input_backlog_append(struct input_backlog *b, const struct sink_event *e)
{
        assert(b->n < INPUT_BACKLOG);
        *at(b, b->n++) = *e;
        b->n_last = 0;
}

bool input_backlog_add(struct input_backlog *b, const struct sink_event *events, size_t n)
{
        static const struct sink_event end = { EV_SYN, SYN_REPORT, 0 };

        if (b->n >= INPUT_BACKLOG / 2 && same_shape(b, events, n)) {
                merge(b, events, n);
                return true;
        }
        if (b->n + n + 1 > INPUT_BACKLOG)
                return false;
        for (size_t i = 0; i < n; i++)
                input_backlog_append(b, &events[i]);
        input_backlog_append(b, &end);
        b->n_last = n + 1;
        return true;
}

size_t input_backlog_first(const struct input_backlog *b)
{
        for (size_t i = 0; i < b->n; i++)
                if (b->events[(b->head + i) % INPUT_BACKLOG].type == EV_SYN)
                        return i + 1;
        return 0;
}

struct sink_event input_backlog_take(struct input_backlog *b)
{
        struct sink_event e = *at(b, 0);

        assert(b->n > 0);
        b->head = (b->head + 1) % INPUT_BACKLOG;
        b->n--;
        b->torn = e.type != EV_SYN;
        if (b->n_last > b->n)
                b->n_last = 0;
        return e;
}

void input_backlog_drop(struct input_backlog *b)
{
        b->n = b->torn ? input_backlog_first(b) : 0;
        b->n_last = 0;
}

void input_backlog_clear(struct input_backlog *b)
{
        b->n = b->n_last = 0;
        b->torn = false;
}
