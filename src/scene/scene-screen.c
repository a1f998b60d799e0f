/* SPDX-License-Identifier: MPL-2.0 */
/* The members `screens` of a system file. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/json-fields.h"
#include "base/json-reader.h"
#include "base/macros.h"
#include "scene/scene-parse.h"

#define WIDTH_DEFAULT 1280
#define HEIGHT_DEFAULT 720
#define RATE_DEFAULT 60
#define RATE_MAX 240
#define CONNECTOR_MAX 31

/* In the order of enum scene_output. */
static const char *const outputs[] = { "headless", "vnc", "window", "kms", NULL };

#define COMMON_MEMBERS "output", "size", "rate", "background", "input"

static const char *const members[][10] = {
        [OUTPUT_HEADLESS] = { COMMON_MEMBERS },
        [OUTPUT_VNC] = { COMMON_MEMBERS, "listen", "passwordFile", "tls" },
        [OUTPUT_WINDOW] = { COMMON_MEMBERS },
        [OUTPUT_KMS] = { COMMON_MEMBERS, "device", "connector" },
};

static bool port_is_valid(const char *s)
{
        size_t n = strlen(s);
        long port = n > 0 && n <= 5 && strspn(s, "0123456789") == n ? strtol(s, NULL, 10) : 0;

        return port > 0 && port <= UINT16_MAX;
}

/* Return: false if @s is none; *ret_open: others than this host reach it. */
static bool listen_is_valid(const char *s, bool *ret_open)
{
        const char *colon = strrchr(s, ':');
        char address[64];
        struct in6_addr ipv6;
        struct in_addr ipv4;
        size_t n;

        *ret_open = false;
        if (s[0] == '/')
                return strlen(s) < sizeof(((struct sockaddr_un *) NULL)->sun_path);
        if (!colon || !port_is_valid(colon + 1) || (size_t) (colon - s) >= sizeof(address))
                return false;
        n = (size_t) (colon - s);
        memcpy(address, s, n);
        address[n] = '\0';
        if (address[0] != '[') {
                if (inet_pton(AF_INET, address, &ipv4) != 1)
                        return false;
                *ret_open = ntohl(ipv4.s_addr) >> 24 != 127;
                return true;
        }
        if (address[n - 1] != ']')
                return false;
        address[n - 1] = '\0';
        if (inet_pton(AF_INET6, address + 1, &ipv6) != 1)
                return false;
        *ret_open = !IN6_IS_ADDR_LOOPBACK(&ipv6);
        return true;
}

static int parse_tls(const struct json_node *entry, const char *dir, struct scene_screen *s)
{
        static const char *const names[] = { "certificate", "key", NULL };
        struct json_node tls;
        int r = node_get_object(entry, "tls", &tls);

        if (r <= 0)
                return r;
        r = node_only_members(&tls, names);
        if (r == 0)
                r = node_need_members(&tls, names);
        if (r < 0)
                return r;
        r = fields_get_path(&tls, "certificate", dir, &s->tls_certificate);
        if (r < 0)
                return r;
        return fields_get_path(&tls, "key", dir, &s->tls_key);
}

static int parse_vnc(const struct json_node *entry, const char *dir, struct scene_screen *s)
{
        struct json_node listen;
        bool is_open;
        int r;

        r = node_need_members(entry, (const char *const[]){ "listen", NULL });
        if (r < 0)
                return r;
        r = fields_get_text(entry, "listen", 107, &s->listen);
        if (r < 0)
                return r;
        (void) node_get(entry, "listen", &listen);
        if (!listen_is_valid(s->listen, &is_open))
                return node_fail_expected(&listen, "ADDRESS:PORT, [ADDRESS]:PORT or the absolute path of a socket");
        r = fields_get_path(entry, "passwordFile", dir, &s->password_file);
        if (r < 0)
                return r;
        if (is_open && !s->password_file)
                return node_fail(&listen, "needs \"passwordFile\": others than this host reach %s", s->listen);
        return parse_tls(entry, dir, s);
}

static bool is_below(const char *path, const char *folder)
{
        size_t n = strlen(folder);

        return strncmp(path, folder, n) == 0 && path[n] != '\0' && !strstr(path, "/../") &&
               (strlen(path) < 3 || strcmp(path + strlen(path) - 3, "/..") != 0);
}

static int parse_kms(const struct json_node *entry, struct scene_screen *s)
{
        struct json_node node;
        int r;

        r = fields_get_path(entry, "device", NULL, &s->device);
        if (r < 0)
                return r;
        if (r > 0 && !is_below(s->device, "/dev/dri/")) {
                (void) node_get(entry, "device", &node);
                return node_fail_expected(&node, "a path below /dev/dri");
        }
        if (r == 0 && !(s->device = strdup("/dev/dri/card0")))
                return -ENOMEM;
        r = fields_get_text(entry, "connector", CONNECTOR_MAX, &s->connector);
        return r < 0 ? r : 0;
}

static int parse_picture(const struct json_node *entry, struct scene_screen *s)
{
        uint32_t size[2] = { WIDTH_DEFAULT, HEIGHT_DEFAULT };
        int r = fields_get_numbers(entry, "size", 2, (const uint32_t[]){ 1, 1 }, SCENE_PIXELS_MAX, size);

        if (r < 0)
                return r;
        if (r > 0 || s->output != OUTPUT_KMS) {
                s->width = size[0];
                s->height = size[1];
        }
        s->rate_hz = RATE_DEFAULT;
        r = fields_get_u32(entry, "rate", 1, RATE_MAX, &s->rate_hz);
        if (r < 0)
                return r;
        r = scene_get_colour(entry, "background", &s->background);
        return r < 0 ? r : 0;
}

static int parse_screen(const struct json_node *entry, const char *dir, struct scene_screen *s)
{
        unsigned output = OUTPUT_HEADLESS;
        int r;

        s->name = strdup(entry->key);
        if (!s->name)
                return -ENOMEM;
        r = node_get_choice(entry, "output", outputs, &output);
        if (r < 0)
                return r;
        s->output = (enum scene_output) output;
        r = node_only_members(entry, members[output]);
        if (r == 0)
                r = parse_picture(entry, s);
        if (r < 0)
                return r;
        s->focus_follows_touch = true;
        switch (s->output) {
        case OUTPUT_VNC:
                return parse_vnc(entry, dir, s);
        case OUTPUT_KMS:
                return parse_kms(entry, s);
        case OUTPUT_HEADLESS:
        case OUTPUT_WINDOW:
                break;
        }
        return 0;
}

int scene_parse_screens(const struct json_node *root, const char *dir, struct scene *s)
{
        struct json_node screens, entry, node;
        size_t n;
        int r = fields_get_named(root, "screens", SCENE_SCREENS_MAX, &screens, &n);

        if (r <= 0)
                return r;
        s->screens = calloc(n + 1, sizeof(*s->screens));
        if (!s->screens)
                return -ENOMEM;
        for (size_t i = 0; node_at(&screens, i, &entry); i++) {
                struct scene_screen *screen = &s->screens[s->n_screens++];

                r = parse_screen(&entry, dir, screen);
                if (r < 0)
                        return r;
                for (size_t k = 0; k < i && screen->listen; k++)
                        if (s->screens[k].listen && strcmp(s->screens[k].listen, screen->listen) == 0 &&
                            node_get(&entry, "listen", &node) > 0)
                                return node_fail_expected(&node, "what no other screen has");
        }
        return 0;
}

static int parse_sources(const struct json_node *input, const struct scene *scene, struct scene_screen *s)
{
        struct json_node array, element;
        int r = node_get_array(input, "sources", SCENE_SOURCES_MAX, &array);

        if (r <= 0)
                return r;
        s->sources = calloc(json_array_size(array.value) + 1, sizeof(*s->sources));
        if (!s->sources)
                return -ENOMEM;
        for (size_t i = 0; node_at(&array, i, &element); i++) {
                const char *path;

                r = node_string(&element, 255, &path);
                if (r < 0)
                        return r;
                if (!is_below(path, "/dev/input/"))
                        return node_fail_expected(&element, "a path below /dev/input");
                for (size_t k = 0; k < scene->n_screens; k++)
                        for (size_t j = 0; j < scene->screens[k].n_sources; j++)
                                if (strcmp(scene->screens[k].sources[j], path) == 0)
                                        return node_fail_expected(&element, "a source that is named once");
                s->sources[i] = strdup(path);
                if (!s->sources[i])
                        return -ENOMEM;
                s->n_sources++;
        }
        return 0;
}

static int parse_input(const struct json_node *input, const struct scene *scene, struct scene_screen *s)
{
        static const char *const names[] = { "sources", "keyFocus", "focusFollowsTouch", NULL };
        const struct scene_display *display;
        struct json_node node;
        int r = node_only_members(input, names);

        if (r == 0)
                r = parse_sources(input, scene, s);
        if (r < 0)
                return r;
        r = fields_get_name(input, "keyFocus", &s->key_focus);
        if (r < 0)
                return r;
        if (r > 0) {
                display = scene_find_display(scene, s->key_focus);
                (void) node_get(input, "keyFocus", &node);
                if (!display || &scene->screens[display->screen] != s)
                        return node_fail_expected(&node, "the name of a display of this screen");
        }
        r = node_get_bool(input, "focusFollowsTouch", &s->focus_follows_touch);
        return r < 0 ? r : 0;
}

int scene_parse_inputs(const struct json_node *root, struct scene *s)
{
        struct json_node screens, entry, input;
        int r = node_get(root, "screens", &screens);

        if (r <= 0)
                return r;
        for (size_t i = 0; node_at(&screens, i, &entry); i++) {
                r = node_get_object(&entry, "input", &input);
                if (r > 0)
                        r = parse_input(&input, s, &s->screens[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

void scene_screen_deinit(struct scene_screen *s)
{
        for (size_t i = 0; i < s->n_sources; i++)
                free(s->sources[i]);
        free(s->sources);
        free(s->name);
        free(s->listen);
        free(s->password_file);
        free(s->tls_certificate);
        free(s->tls_key);
        free(s->device);
        free(s->connector);
        free(s->key_focus);
        *s = (struct scene_screen){ 0 };
}
