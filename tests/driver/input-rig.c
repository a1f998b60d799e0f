/* SPDX-License-Identifier: MPL-2.0 */
#include "input-rig.h"

#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "need.h"

static const char scene[] =
        "{ \"screens\": { \"main\": { \"output\": \"headless\", \"size\": [1600, 600],\n"
        "                              \"input\": { \"keyFocus\": \"right\" } } },\n"
        "  \"displays\": { \"left\": { \"screen\": \"main\", \"region\": [0, 0, 800, 600] },\n"
        "                \"right\": { \"screen\": \"main\", \"region\": [800, 0, 800, 600] } } }\n";

struct input_rig rig;

/* A guest's failure fails the case, so that the teardown shows what the server logged. */
void need_failed(const char *file, int line) { _fail(file, line); }

void rig_write(const char *path, const char *text)
{
        assert_int_equal(fd_write_file_atomic(path, text, strlen(text), 0600), 0);
}

int rig_setup(void **state)
{
        rig.left = rig.right = rig.keyboard = (struct vhost_driver) { .memory_fd = -1, .inflight.fd = -1 };
        assert_int_equal(harness_init(&rig.harness), 0);
        rig.seat_path = harness_path(&rig.harness, "seat");
        rig_write(harness_path(&rig.harness, "system.json"), scene);
        return seat_sender_new(rig.seat_path, "main", &rig.sender);
}

int rig_teardown(void **state)
{
        rig.sender = seat_sender_free(rig.sender);
        vhost_driver_stop(&rig.left);
        vhost_driver_stop(&rig.right);
        vhost_driver_stop(&rig.keyboard);
        harness_deinit(&rig.harness);
        return 0;
}

void rig_start_server(void)
{
        char guests[3][256], scene_option[256], seat_option[256];
        const char *words[] = { "input",   scene_option, seat_option, "--guest", guests[0],
                                "--guest", guests[1],    "--guest",   guests[2], NULL };

        (void) snprintf(scene_option, sizeof(scene_option), "--scene=%s", harness_path(&rig.harness, "system.json"));
        (void) snprintf(seat_option, sizeof(seat_option), "--seat=%s", rig.seat_path);
        (void) snprintf(guests[0], sizeof(guests[0]), "id=left.touch,kind=touch,display=left,socket-path=%s",
                        harness_path(&rig.harness, "left"));
        (void) snprintf(guests[1], sizeof(guests[1]), "id=right.touch,kind=touch,display=right,socket-path=%s",
                        harness_path(&rig.harness, "right"));
        (void) snprintf(guests[2], sizeof(guests[2]), "id=right.keys,kind=keyboard,display=right,socket-path=%s",
                        harness_path(&rig.harness, "keys"));
        assert_int_equal(harness_start(&rig.harness, words), 0);
}

void rig_connect(struct vhost_driver *d, const char *name, bool packed)
{
        input_driver_start(d, harness_path(&rig.harness, name), packed);
}

void rig_expect_report(struct vhost_driver *d, const char *text)
{
        const char *report = input_report(d, INPUT_WAIT_MS);

        assert_non_null(report);
        assert_string_equal(report, text);
}

void rig_expect_silence(struct vhost_driver *d)
{
        const char *report = input_report(d, RIG_SHORT_MS);

        if (report)
                fail_msg("unexpected report: %s", report);
}

void rig_finger(uint32_t kind, uint32_t id, uint32_t x, uint32_t y)
{
        input_say(rig.sender, &(struct seat_message) { .kind = kind, .id = id, .x = seat_axis_from_pixel(x, 1600),
                                                       .y = seat_axis_from_pixel(y, 600) });
}

void rig_key(uint32_t code, int value)
{
        input_say(rig.sender, &(struct seat_message) { .kind = SEAT_KEY, .code = code, .value = value });
}
