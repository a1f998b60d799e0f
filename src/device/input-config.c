/* SPDX-License-Identifier: MPL-2.0 */
/* What each kind of input device says of itself. Spec: VIRTIO 1.4, 5.8.4 and 5.8.5. */
#include <endian.h>
#include <linux/input.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "device/input-private.h"

#define PRODUCT_VERSION 1

static const char *const names[SINK_KINDS] = {
        [SINK_TOUCH] = "Busbar touch screen",
        [SINK_KEYBOARD] = "Busbar keyboard",
        [SINK_POINTER] = "Busbar pointer",
        [SINK_ROTARY] = "Busbar rotary knob",
};

/* The keys of a keyboard and of consumer controls, and no buttons: a guest would take it for a mouse or a joystick. */
static bool keyboard_has(uint16_t type, uint16_t code)
{
        switch (type) {
        case EV_KEY:
                return (code >= KEY_ESC && code <= KEY_MICMUTE) || (code >= KEY_OK && code < BTN_DPAD_UP) ||
                       (code >= KEY_ALS_TOGGLE && code <= KEY_ONSCREEN_KEYBOARD);
        case EV_LED:
                return code <= LED_SCROLLL;
        case EV_REP:
                return code <= REP_PERIOD;
        default:
                return false;
        }
}

static bool touch_has(uint16_t type, uint16_t code)
{
        if (type == EV_KEY)
                return code == BTN_TOUCH;
        return type == EV_ABS && (code == ABS_X || code == ABS_Y || code == ABS_MT_SLOT || code == ABS_MT_TRACKING_ID ||
                                  code == ABS_MT_POSITION_X || code == ABS_MT_POSITION_Y);
}

static bool pointer_has(uint16_t type, uint16_t code)
{
        switch (type) {
        case EV_KEY:
                return code >= BTN_LEFT && code <= BTN_TASK;
        case EV_REL:
                return code == REL_WHEEL || code == REL_HWHEEL;
        case EV_ABS:
                return code == ABS_X || code == ABS_Y;
        default:
                return false;
        }
}

bool input_offers(const struct input_options *options, uint16_t type, uint16_t code)
{
        switch (options->kind) {
        case SINK_TOUCH:
                return touch_has(type, code);
        case SINK_KEYBOARD:
                return keyboard_has(type, code);
        case SINK_POINTER:
                return pointer_has(type, code);
        case SINK_ROTARY:
                return type == EV_REL && code == REL_DIAL;
        default:
                return false;
        }
}

static void fill_text(struct virtio_input_config *c, const char *text)
{
        c->size = (uint8_t) MIN(strlen(text), sizeof(c->u.string));
        memcpy(c->u.string, text, c->size);
}

/* Bitmaps end with the last byte that has a bit. */
static void fill_bits(struct virtio_input_config *c, const struct input_options *options, uint8_t type)
{
        for (uint16_t code = 0; code < 8 * sizeof(c->u.bitmap); code++) {
                if (!input_offers(options, type, code))
                        continue;
                c->u.bitmap[code / 8] |= (uint8_t) (1U << (code % 8));
                c->size = (uint8_t) (code / 8 + 1);
        }
}

static uint32_t axis_max(const struct input_options *options, uint8_t code)
{
        switch (code) {
        case ABS_MT_SLOT:
                return SINK_FINGERS_MAX - 1;
        case ABS_MT_TRACKING_ID:
                return SINK_TRACKING_MAX;
        case ABS_X:
        case ABS_MT_POSITION_X:
                return options->width - 1;
        default:
                return options->height - 1;
        }
}

void input_config_fill(const struct input_options *options, const char *name, uint8_t select, uint8_t subsel,
                       struct virtio_input_config *ret)
{
        struct virtio_input_config *c = ret;

        *c = (struct virtio_input_config) { .select = select, .subsel = subsel };
        if (subsel != 0 && select != VIRTIO_INPUT_CFG_EV_BITS && select != VIRTIO_INPUT_CFG_ABS_INFO)
                return;
        switch (select) {
        case VIRTIO_INPUT_CFG_ID_NAME:
                fill_text(c, names[options->kind]);
                break;
        case VIRTIO_INPUT_CFG_ID_SERIAL:
                fill_text(c, name);
                break;
        case VIRTIO_INPUT_CFG_ID_DEVIDS:
                c->size = sizeof(c->u.ids);
                c->u.ids = (struct virtio_input_devids) { .bustype = htole16(BUS_VIRTUAL),
                                                          .product = htole16((uint16_t) (options->kind + 1)),
                                                          .version = htole16(PRODUCT_VERSION) };
                break;
        case VIRTIO_INPUT_CFG_PROP_BITS:
                if (options->kind == SINK_TOUCH) {
                        c->u.bitmap[INPUT_PROP_DIRECT / 8] |= 1U << (INPUT_PROP_DIRECT % 8);
                        c->size = 1;
                }
                break;
        case VIRTIO_INPUT_CFG_EV_BITS:
                fill_bits(c, options, subsel);
                break;
        case VIRTIO_INPUT_CFG_ABS_INFO:
                if (!input_offers(options, EV_ABS, subsel))
                        break;
                c->size = sizeof(c->u.abs);
                c->u.abs.max = htole32(axis_max(options, subsel));
                break;
        }
}
