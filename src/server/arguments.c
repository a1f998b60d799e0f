/* SPDX-License-Identifier: MPL-2.0 */
#include "server/arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macros.h"
#include "server/server.h"
#include "virtio/features.h"

#define ERROR_MAX 512

static const char *const log_levels[] = { "error", "warning", "info", "debug", NULL };

static const struct setting_spec common_settings[] = {
        { .name = "id", .kind = SETTING_STRING, .scope = SETTING_GUEST, .argument = "NAME",
          .help = "name of the guest in log lines (default: the type, or guest0, guest1 ...)" },
        { .name = "socket-path", .kind = SETTING_PATH, .scope = SETTING_GUEST,
          .help = "listen on a unix socket at this path" },
        { .name = "fd", .kind = SETTING_NUMBER, .scope = SETTING_GUEST, .max = 65535, .argument = "FD",
          .help = "use this open socket instead, listening or connected" },
        { .name = "features-off", .kind = SETTING_STRING, .scope = SETTING_GUEST, .argument = "NAME,...",
          .help = "features not to offer (for tests)" },
        { .name = "ready-fd", .kind = SETTING_NUMBER, .scope = SETTING_SERVER, .max = 65535, .argument = "FD",
          .help = "write READY=1 and a line end to this descriptor when all guests can connect" },
        { .name = "log-level", .kind = SETTING_CHOICE, .scope = SETTING_SERVER, .choices = log_levels,
          .help = "least important lines to log (default: info)" },
        { .name = "no-sandbox", .kind = SETTING_BOOL, .scope = SETTING_SERVER,
          .help = "do not lock the process down (for tests)" },
        { .name = NULL },
};

static const struct setting_spec thread_settings[] = {
        { .name = "queue-threads", .kind = SETTING_NUMBER, .scope = SETTING_SERVER, .default_text = "0", .max = 64,
          .help = "threads over which queues are spread; 0: all on the main one" },
        { .name = NULL },
};

const struct feature_name ring_feature_names[] = {
        { "indirect", VIRTIO_FEATURE_INDIRECT_DESC },
        { "event-idx", VIRTIO_FEATURE_EVENT_IDX },
        { "packed", VIRTIO_FEATURE_RING_PACKED },
        { "in-order", VIRTIO_FEATURE_IN_ORDER },
        { "ring-reset", VIRTIO_FEATURE_RING_RESET },
        { .name = NULL },
};

void server_tables(const struct server_type *type, const struct setting_spec *ret[SERVER_TABLES_MAX])
{
        size_t n = 0;

        if (type->settings)
                ret[n++] = type->settings;
        ret[n++] = common_settings;
        if (type->queue_threads)
                ret[n++] = thread_settings;
        ret[n] = NULL;
}

static bool feature_bit(const struct feature_name *names, const char *name, size_t n, uint64_t *ret)
{
        for (; names && names->name; names++) {
                if (strlen(names->name) == n && memcmp(names->name, name, n) == 0) {
                        *ret |= FEATURE(names->bit);
                        return true;
                }
        }
        return false;
}

int features_from_string(const struct server_type *type, const char *text, uint64_t *ret, char *error,
                         size_t error_size)
{
        uint64_t bits = 0;

        for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
                size_t n = strcspn(at, ",");

                if (!feature_bit(ring_feature_names, at, n, &bits) && !feature_bit(type->features, at, n, &bits)) {
                        (void) snprintf(error, error_size, "features-off=%s: '%.*s' is no feature of this type", text,
                                        (int) n, at);
                        return -EINVAL;
                }
        }
        *ret = bits;
        return 0;
}

/* Cuts NAME=VALUE[,NAME=VALUE]... in place: returns the first pair and moves *rest behind it, NULL at the end. */
static char *next_pair(char **rest)
{
        char *start = *rest, *out = *rest, *in = *rest;

        while (*in && (in[0] != ',' || in[1] == ',')) {
                in += in[0] == ',';
                *out++ = *in++;
        }
        *rest = *in ? in + 1 : NULL;
        *out = '\0';
        return start;
}

static int parse_guest(const struct server_type *type, const struct setting_spec *const *tables, const char *text,
                       struct guest_arguments *guest, size_t index)
{
        auto_cleanup(freep) char *copy = strdup(text);
        char error[ERROR_MAX], *rest = copy;
        int r;

        if (!copy)
                return -ENOMEM;
        r = settings_new(tables, SETTING_GUEST, &guest->settings);
        while (r == 0 && rest) {
                char *name = next_pair(&rest), *value = strchr(name, '=');

                if (value)
                        *value++ = '\0';
                r = settings_set(guest->settings, name, value, error, sizeof(error));
        }
        if (r < 0 && r != -ENOMEM) {
                const char *id = settings_string(guest->settings, "id");
                char fallback[16];

                (void) snprintf(fallback, sizeof(fallback), "number %zu", index);
                log_error(type->name, "guest %s: %s", id ? id : fallback, error);
                return -EINVAL;
        }
        return r;
}

static bool is_flag(const struct setting_spec *const *tables, const char *name)
{
        for (size_t i = 0; tables[i]; i++)
                for (const struct setting_spec *spec = tables[i]; spec->name; spec++)
                        if (strcmp(spec->name, name) == 0 || (spec->alias && strcmp(spec->alias, name) == 0))
                                return spec->kind == SETTING_BOOL;
        return false;
}

static int add_guest(const struct server_type *type, const struct setting_spec *const *tables, const char *value,
                     struct server_arguments *a)
{
        if (!value) {
                log_error(type->name, "--guest: expected NAME=VALUE,...");
                return -EINVAL;
        }
        if (a->n_guests == SERVER_GUESTS_MAX) {
                log_error(type->name, "more than %d guests", SERVER_GUESTS_MAX);
                return -EINVAL;
        }
        a->n_guests++;
        return parse_guest(type, tables, value, &a->guests[a->n_guests - 1], a->n_guests - 1);
}

static int set_option(const struct server_type *type, struct server_arguments *a, struct settings *only_guest,
                      const char *name, const char *value)
{
        char error[ERROR_MAX];
        int r;

        r = settings_set(a->server, name, value, error, sizeof(error));
        if (r == -ENOENT)
                r = settings_set(only_guest, name, value, error, sizeof(error));
        if (r == -ENOENT)
                log_error(type->name, "unknown option '--%s'; 'busbar device %s --help' lists what it takes", name,
                          type->name);
        else if (r == -EINVAL)
                log_error(type->name, "--%s", error);
        return r == -ENOENT ? -EINVAL : r;
}

static int parse_words(const struct server_type *type, const struct setting_spec *const *tables, char *const *words,
                       size_t n_words, struct server_arguments *a, struct settings *only_guest)
{
        int r = 0;

        for (size_t i = 0; i < n_words && r == 0; i++) {
                const char *value = strchr(words[i], '=');
                char name[64];

                if (strncmp(words[i], "--", 2) != 0 || !words[i][2]) {
                        log_error(type->name, "unexpected '%s'", words[i]);
                        return -EINVAL;
                }
                (void) snprintf(name, sizeof(name), "%.*s", (int) strcspn(words[i] + 2, "="), words[i] + 2);
                value = value ? value + 1 : NULL;
                if (strcmp(name, "help") == 0 || strcmp(name, "print-capabilities") == 0) {
                        a->help |= name[0] == 'h';
                        a->print_capabilities |= name[0] == 'p';
                        continue;
                }
                if (!value && !is_flag(tables, name) && i + 1 < n_words)
                        value = words[++i];
                if (strcmp(name, "guest") == 0)
                        r = add_guest(type, tables, value, a);
                else
                        r = set_option(type, a, only_guest, name, value);
        }
        return r;
}

/* A guest's name goes into log lines and thread names: letters, digits and a few others. */
static bool id_valid(const char *id)
{
        return *id && strlen(id) <= SERVER_ID_MAX &&
               strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == strlen(id);
}

static int check_guest(const struct server_type *type, struct server_arguments *a, size_t index)
{
        struct guest_arguments *guest = &a->guests[index];
        const char *id = settings_string(guest->settings, "id");
        const char *off = settings_string(guest->settings, "features-off");
        char error[ERROR_MAX];
        uint64_t bits;

        if (id && !id_valid(id)) {
                log_error(type->name, "id=%s: expected 1 to %d letters, digits or _.-", id, SERVER_ID_MAX);
                return -EINVAL;
        }
        if (id || a->n_guests == 1)
                (void) snprintf(guest->id, sizeof(guest->id), "%s", id ? id : type->name);
        else
                (void) snprintf(guest->id, sizeof(guest->id), "guest%zu", index);
        for (size_t i = 0; i < index; i++) {
                if (strcmp(a->guests[i].id, guest->id) == 0) {
                        log_error(type->name, "two guests have the id %s", guest->id);
                        return -EINVAL;
                }
        }
        for (size_t i = 0; i < index && settings_given(guest->settings, "fd"); i++) {
                if (settings_given(a->guests[i].settings, "fd") &&
                    settings_number(a->guests[i].settings, "fd") == settings_number(guest->settings, "fd")) {
                        log_error(type->name, "guest %s: fd=%s: guest %s has it already", guest->id,
                                  settings_string_at(guest->settings, "fd", 0), a->guests[i].id);
                        return -EINVAL;
                }
        }
        if (settings_given(guest->settings, "fd") == settings_given(guest->settings, "socket-path")) {
                log_error(type->name, "guest %s: expected either socket-path or fd", guest->id);
                return -EINVAL;
        }
        if (settings_finish(guest->settings, error, sizeof(error)) < 0 ||
            (off && features_from_string(type, off, &bits, error, sizeof(error)) < 0)) {
                log_error(type->name, "guest %s: %s", guest->id, error);
                return -EINVAL;
        }
        return 0;
}

static int check_all(const struct server_type *type, struct server_arguments *a, struct settings **only_guest)
{
        const char *alone = settings_first_given(*only_guest);
        char error[ERROR_MAX];
        int r = 0;

        if (a->n_guests > 0 && alone) {
                log_error(type->name, "--%s belongs to one guest: it goes into --guest here", alone);
                return -EINVAL;
        }
        if (a->n_guests == 0)
                a->guests[a->n_guests++].settings = take_ptr(only_guest);
        if (settings_finish(a->server, error, sizeof(error)) < 0) {
                log_error(type->name, "--%s", error);
                return -EINVAL;
        }
        for (size_t i = 0; i < a->n_guests && r == 0; i++)
                r = check_guest(type, a, i);
        return r;
}

int server_arguments_new(const struct server_type *type, char *const *words, size_t n_words,
                         struct server_arguments **ret)
{
        auto_cleanup(server_arguments_freep) struct server_arguments *a = NULL;
        auto_cleanup(settings_freep) struct settings *only_guest = NULL;
        const struct setting_spec *tables[SERVER_TABLES_MAX];
        int r;

        server_tables(type, tables);
        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        r = settings_new(tables, SETTING_SERVER, &a->server);
        if (r == 0)
                r = settings_new(tables, SETTING_GUEST, &only_guest);
        if (r == 0)
                r = parse_words(type, tables, words, n_words, a, only_guest);
        if (r == 0 && !a->help && !a->print_capabilities)
                r = check_all(type, a, &only_guest);
        if (r < 0)
                return r;
        *ret = take_ptr(&a);
        return 0;
}

struct server_arguments *server_arguments_free(struct server_arguments *a)
{
        if (!a)
                return NULL;
        for (size_t i = 0; i < ARRAY_SIZE(a->guests); i++)
                settings_free(a->guests[i].settings);
        settings_free(a->server);
        free(a);
        return NULL;
}
