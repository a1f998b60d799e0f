/* SPDX-License-Identifier: MPL-2.0 */
/* Status and features out of order. Spec: VIRTIO 1.4, 2.1 (status), 2.2 (features), 3.1.1 (the right order). */
#include "guest.h"
#include "vio.h"

#define OK (STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK)

static void features_not_offered(struct vio *v)
{
        check(vio_reset(v), vio_status(v));
        vio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
        vio_accept(v, UINT64_MAX);
        vio_set_status(v, OK);
        check(!(vio_status(v) & STATUS_FEATURES_OK), vio_status(v));
        vio_setup_queue(v);
        vio_set_status(v, OK | STATUS_DRIVER_OK);
        vio_notify(v, 0);
}

static void feature_word_out_of_range(struct vio *v)
{
        static const uint32_t words[] = { 4, 31, 32, 0x80000000, UINT32_MAX };
        uint64_t offered = vio_offered(v);

        check(vio_reset(v), vio_status(v));
        vio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
        for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
                uint64_t base = v->pci ? v->common : v->mmio;

                store(base + (v->pci ? 0 : 0x14), 4, words[i]);
                /* Over MMIO QEMU takes any word but 0 for 1. */
                if (v->pci || !board.peer)
                        check(load(base + (v->pci ? 4 : 0x10), 4) == 0, words[i]);
                store(base + (v->pci ? 8 : 0x24), 4, words[i]);
                store(base + (v->pci ? 0xc : 0x20), 4, UINT32_MAX);
        }
        check(vio_offered(v) == offered, vio_offered(v));
}

static void features_ok_skipped(struct vio *v)
{
        check(vio_reset(v), vio_status(v));
        vio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
        vio_accept(v, F_VERSION_1);
        vio_setup_queue(v);
        vio_put(v, (uint16_t) vio_put_request(v, 0));
        vio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK);
        vio_notify(v, 0);
        (void) vio_status(v);
}

static void version_1_refused(struct vio *v)
{
        check(vio_reset(v), vio_status(v));
        vio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
        vio_accept(v, 0);
        vio_set_status(v, OK);
        check(!(vio_status(v) & STATUS_FEATURES_OK), vio_status(v));
        vio_setup_queue(v);
        vio_put(v, (uint16_t) vio_put_request(v, 0));
        vio_set_status(v, OK | STATUS_DRIVER_OK);
        vio_notify(v, 0);
}

static void features_after_features_ok(struct vio *v)
{
        check(vio_reset(v), vio_status(v));
        vio_negotiate(v, 0);
        vio_accept(v, UINT64_MAX);
        vio_setup_queue(v);
        vio_set_status(v, OK | STATUS_DRIVER_OK);
        check(vio_request(v), vio_status(v));
}

static void features_after_driver_ok(struct vio *v)
{
        vio_accept(v, UINT64_MAX);
        check(vio_request(v), vio_status(v));
        vio_accept(v, 0);
        vio_set_status(v, OK | STATUS_DRIVER_OK);
        check(vio_request(v), vio_status(v));
        check(vio_offered(v) != 0, 0);
}

static void status_garbage(struct vio *v)
{
        static const uint8_t values[] = { 0xff, 0x30, 0x40, 0x80, 0x04, 0x08, 0x0c, 0x0f, 0x02, 0xcf };

        for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
                vio_set_status(v, values[i]);
                vio_notify(v, 0);
                (void) vio_status(v);
        }
        check(vio_reset(v), vio_status(v));
        for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
                vio_set_status(v, values[i]);
                check(vio_reset(v), values[i]);
        }
}

static void status_bits_taken_back(struct vio *v)
{
        vio_set_status(v, OK);
        vio_set_status(v, STATUS_ACKNOWLEDGE);
        vio_notify(v, 0);
        vio_set_status(v, OK | STATUS_DRIVER_OK);
        vio_notify(v, 0);
}

static void gave_up(struct vio *v)
{
        vio_set_status(v, OK | STATUS_DRIVER_OK | STATUS_FAILED);
        check(vio_status(v) & STATUS_FAILED, vio_status(v));
        vio_notify(v, 0);
}

static void driver_ok_without_queues(struct vio *v)
{
        check(vio_reset(v), vio_status(v));
        vio_negotiate(v, 0);
        vio_set_status(v, OK | STATUS_DRIVER_OK);
        vio_notify(v, 0);
        vio_setup_queue(v);
        vio_notify(v, 0);
}

static void accepted_features_do_not_outlive_reset(struct vio *v)
{
        check(vio_reset(v), vio_status(v));
        vio_negotiate(v, UINT64_MAX);
        check(vio_status(v) & STATUS_FEATURES_OK, vio_status(v));
        check(vio_reset(v), vio_status(v));
        vio_set_status(v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
        vio_set_status(v, OK);
        check(!(vio_status(v) & STATUS_FEATURES_OK), vio_status(v));
}

const struct test feature_tests[] = {
        { "features-not-offered", features_not_offered, ANY, "QEMU drops unknown features and says FEATURES_OK" },
        { "feature-word-out-of-range", feature_word_out_of_range, ANY, NULL },
        { "features-ok-skipped", features_ok_skipped, ANY, NULL },
        { "version-1-refused", version_1_refused, ANY, "QEMU goes on without VERSION_1" },
        { "features-after-features-ok", features_after_features_ok, ANY, "QEMU takes features until DRIVER_OK" },
        { "features-after-driver-ok", features_after_driver_ok, ANY, NULL },
        { "status-garbage", status_garbage, ANY, NULL },
        { "status-bits-taken-back", status_bits_taken_back, ANY, NULL },
        { "driver-gave-up", gave_up, ANY, NULL },
        { "driver-ok-without-queues", driver_ok_without_queues, ANY, NULL },
        { "accepted-features-do-not-outlive-reset", accepted_features_do_not_outlive_reset, ANY,
          "QEMU goes on without VERSION_1" },
};
const size_t n_feature_tests = ARRAY_SIZE(feature_tests);
