/* SPDX-License-Identifier: MPL-2.0 */
#include "cli/log-sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/state.h"

void log_sources_deinit(struct log_sources *s)
{
        for (size_t i = 0; i < s->n; i++)
                free(s->names[i]);
        s->n = 0;
}

const char *log_line_source(const char *line, size_t n, size_t *ret_n)
{
        const char *source = memchr(line, ' ', n), *end;

        if (!source)
                return NULL;
        source++;
        end = memchr(source, ':', n - (size_t) (source - line));
        if (!end)
                return NULL;
        *ret_n = (size_t) (end - source);
        return source;
}

bool log_source_is(const char *name, size_t n_name, const char *id, const char *wanted)
{
        size_t n_id = strlen(id), n = strlen(wanted);

        if (n_name > n_id && strncmp(name, id, n_id) == 0 && name[n_id] == '.' && n_name - n_id - 1 == n &&
            strncmp(name + n_id + 1, wanted, n) == 0)
                return true;
        return n_name == n && strncmp(name, wanted, n) == 0;
}

/* What finds no place or no memory is missing. */
static void add(struct log_sources *s, const char *name, size_t n)
{
        char *copy;

        for (size_t i = 0; i < s->n; i++)
                if (strlen(s->names[i]) == n && strncmp(s->names[i], name, n) == 0)
                        return;
        copy = s->n < LOG_SOURCES_MAX ? strndup(name, n) : NULL;
        if (copy)
                s->names[s->n++] = copy;
}

void log_sources_add_file(struct log_sources *s, const char *path)
{
        FILE *file = fopen(path, "re");
        auto_cleanup(freep) char *line = NULL;
        size_t size = 0, n_source;
        ssize_t n;

        while (file && (n = getline(&line, &size, file)) > 0) {
                const char *source = log_line_source(line, (size_t) n, &n_source);

                if (source)
                        add(s, source, n_source);
        }
        if (file)
                (void) fclose(file);
}

void log_sources_add_machine(struct log_sources *s, const struct machine_state *state, bool own)
{
        size_t n_id = strlen(state->id);

        for (size_t i = 0; i < state->n_devices; i++) {
                const char *name = state->devices[i].server;

                if (name && own == (strncmp(name, state->id, n_id) == 0 && name[n_id] == '.'))
                        add(s, name, strlen(name));
        }
}

bool log_sources_have(const struct log_sources *s, const char *id, const char *wanted)
{
        for (size_t i = 0; i < s->n; i++)
                if (log_source_is(s->names[i], strlen(s->names[i]), id, wanted))
                        return true;
        return false;
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *) a, *(char *const *) b); }

char *log_sources_text(struct log_sources *s)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return NULL;
        qsort(s->names, s->n, sizeof(s->names[0]), compare);
        for (size_t i = 0; i < s->n; i++)
                (void) fprintf(out, "%s%s", i > 0 ? ", " : "", s->names[i]);
        if (fclose(out) == 0)
                return text;
        free(text);
        return NULL;
}
