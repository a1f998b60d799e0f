/* SPDX-License-Identifier: MPL-2.0 */
/* Border: the members `screens`, `displays`, `speakers` and `audio` of a system file, as a device server reads it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json-reader.h"
#include "scene/scene.h"

/* Checked in release builds too. */
#define expect(condition)        \
        do {                     \
                if (!(condition)) \
                        abort(); \
        } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_display(const struct scene *s, const struct scene_display *d)
{
        const struct scene_screen *screen = &s->screens[d->screen];

        expect(d->screen < s->n_screens && scene_find_display(s, d->name) == d);
        expect(d->width > 0 && d->height > 0 && !rectangle_is_empty(&d->region));
        expect(screen->width == 0 || rectangle_fits(&d->region, screen->width, screen->height));
        for (size_t i = 0; i < d->n_guards; i++) {
                const struct scene_guard *g = &d->guards[i];

                expect(g->name && g->limit_ms > 0 && !rectangle_is_empty(&g->region));
                expect(rectangle_fits(&g->region, d->region.width, d->region.height));
                expect((g->rule == RULE_ONE_OF) == (g->n_allowed > 0));
        }
}

static void check(const struct scene *s)
{
        for (size_t i = 0; i < s->n_screens; i++) {
                const struct scene_screen *screen = &s->screens[i];

                expect(screen->name && screen->rate_hz > 0 && (screen->width > 0) == (screen->height > 0));
                expect(screen->width > 0 || screen->output == OUTPUT_KMS);
                expect((screen->output == OUTPUT_VNC) == (screen->listen != NULL));
                expect(!screen->tls_certificate == !screen->tls_key);
                expect(!screen->key_focus || scene_find_display(s, screen->key_focus));
        }
        for (size_t i = 0; i < s->n_displays; i++)
                check_display(s, &s->displays[i]);
        for (size_t i = 0; i < s->n_speakers; i++)
                expect(s->speakers[i].name && s->speakers[i].rate_hz > 0 && s->speakers[i].n_channels > 0 &&
                       s->speakers[i].period_us > 0);
        for (size_t i = 0; i < s->n_audio; i++)
                expect(s->audio[i].speakers < s->n_speakers &&
                       scene_find_audio(s, s->audio[i].name) == &s->audio[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct json_document document;
        struct scene s = { 0 };
        struct json_node root;
        int r;

        r = document_parse(&document, "fuzz.json", (const char *) data, size, 1 << 20);
        if (r == 0) {
                root = document_root(&document);
                r = scene_parse(&root, "/dir", &s);
                expect(r == 0 ? !document.error : document.error != NULL);
        }
        if (r == 0)
                check(&s);
        scene_deinit(&s);
        document_deinit(&document);
        return 0;
}
