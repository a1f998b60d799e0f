/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/plan-words.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

int guest_words_open(struct guest_words *w)
{
        *w = (struct guest_words) { 0 };
        w->out = open_memstream(&w->text, &w->n);
        return w->out ? 0 : -ENOMEM;
}

void guest_words_put(struct guest_words *w, const char *name, const char *format, ...)
{
        auto_cleanup(freep) char *value = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&value, format, ap);
        va_end(ap);
        if (r < 0) {
                value = NULL;
                guest_words_deinit(w);
                return;
        }
        if (!w->out)
                return;
        (void) fprintf(w->out, "%s%s=", ftell(w->out) > 0 ? "," : "", name);
        for (const char *p = value; *p; p++) {
                if (*p == ',')
                        (void) fputc(',', w->out);
                (void) fputc(*p, w->out);
        }
}

int guest_words_take(struct guest_words *w, char **ret)
{
        FILE *out = take_ptr(&w->out);

        if (!out || fclose(out) != 0)
                return -ENOMEM;
        *ret = take_ptr(&w->text);
        return 0;
}

void guest_words_deinit(struct guest_words *w)
{
        if (w->out)
                (void) fclose(w->out);
        free(w->text);
        *w = (struct guest_words) { 0 };
}

static size_t words_count(char *const *words)
{
        size_t n = 0;

        while (words && words[n])
                n++;
        return n;
}

int words_take_append(char ***words, char *word)
{
        size_t n = words_count(*words);
        char **longer = word ? realloc(*words, (n + 2) * sizeof(*longer)) : NULL;

        if (!longer) {
                free(word);
                return -ENOMEM;
        }
        longer[n] = word;
        longer[n + 1] = NULL;
        *words = longer;
        return 0;
}

char **words_dup(const char *const *words)
{
        char **copy = NULL;

        for (size_t i = 0; words[i]; i++)
                if (words_take_append(&copy, strdup(words[i])) < 0)
                        return words_free(copy);
        return copy;
}

char **words_free(char **words)
{
        for (size_t i = 0; words && words[i]; i++)
                free(words[i]);
        free(words);
        return NULL;
}

/* FNV-1a over the text and its zero byte, so that ("a", "bc") and ("ab", "c") differ. */
static uint64_t hash_add(uint64_t h, const char *text)
{
        const char *p = text;

        do {
                h = (h ^ (uint8_t) *p) * UINT64_C(0x100000001b3);
        } while (*p++);
        return h;
}

#define HASH_START UINT64_C(0xcbf29ce484222325)

void mac_from_names(const char *system, const char *machine, const char *device, uint8_t ret[6])
{
        uint64_t h = hash_add(hash_add(hash_add(HASH_START, system), machine), device);

        h ^= h >> 48;
        for (size_t i = 0; i < 6; i++)
                ret[i] = (uint8_t) (h >> (8 * i));
        ret[0] = (uint8_t) ((ret[0] & 0xfc) | 0x02); /* individual, locally administered */
}

void guest_name(const char *machine, const char *device, char ret[32])
{
        uint64_t h = hash_add(hash_add(HASH_START, machine), device);
        int n = snprintf(ret, 32, "%s.%s", machine, device);

        if (n >= 32)
                (void) snprintf(ret + 22, 10, "-%08" PRIx32, (uint32_t) (h ^ h >> 32));
}
