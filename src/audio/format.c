/* SPDX-License-Identifier: MPL-2.0 */
#include "audio/format.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include <linux/virtio_snd.h>

#include "base/macros.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "samples are little-endian");

static const uint8_t bytes[N_SAMPLE_FORMATS] = {
        [SAMPLE_S8] = 1,    [SAMPLE_U8] = 1,  [SAMPLE_S16] = 2, [SAMPLE_U16] = 2,   [SAMPLE_S24_3] = 3,
        [SAMPLE_S24] = 4,   [SAMPLE_S32] = 4, [SAMPLE_U32] = 4, [SAMPLE_FLOAT] = 4, [SAMPLE_FLOAT64] = 8,
};

size_t sample_bytes(enum sample_format f) { return bytes[f]; }

static inline double cut(double x)
{
        if (!(x >= -1.0)) /* also if it is no number */
                return isnan(x) ? 0.0 : -1.0;
        return x > 1.0 ? 1.0 : x;
}

/* One loop a format: `load` turns the bytes at p into a double. */
#define DECODE(type, load)                                     \
        do {                                                   \
                for (size_t i = 0; i < n; i++) {               \
                        type v;                                \
                        memcpy(&v, p + i * sizeof(v), sizeof(v)); \
                        out[i] = (load);                       \
                }                                              \
        } while (0)

static double load_s24_3(const uint8_t *p)
{
        uint32_t v = (uint32_t) p[0] << 8 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 24;

        return (double) (int32_t) v * 0x1p-31;
}

void samples_decode(enum sample_format f, const void *in, double *out, size_t n)
{
        const uint8_t *p = in;

        switch (f) {
        case SAMPLE_S8:
                DECODE(int8_t, (double) v * 0x1p-7);
                break;
        case SAMPLE_U8:
                DECODE(uint8_t, ((double) v - 0x1p7) * 0x1p-7);
                break;
        case SAMPLE_S16:
                DECODE(int16_t, (double) v * 0x1p-15);
                break;
        case SAMPLE_U16:
                DECODE(uint16_t, ((double) v - 0x1p15) * 0x1p-15);
                break;
        case SAMPLE_S24_3:
                for (size_t i = 0; i < n; i++)
                        out[i] = load_s24_3(p + 3 * i);
                break;
        case SAMPLE_S24:
                DECODE(uint32_t, (double) (int32_t) (v << 8) * 0x1p-31);
                break;
        case SAMPLE_S32:
                DECODE(int32_t, (double) v * 0x1p-31);
                break;
        case SAMPLE_U32:
                DECODE(uint32_t, ((double) v - 0x1p31) * 0x1p-31);
                break;
        case SAMPLE_FLOAT:
                DECODE(float, cut((double) v));
                break;
        case SAMPLE_FLOAT64:
                DECODE(double, cut(v));
                break;
        case N_SAMPLE_FORMATS:
                break;
        }
}

/* To an integer of @bits, two's complement. */
static inline int32_t to_integer(double x, int n_bits)
{
        double limit = (double) (UINT64_C(1) << (n_bits - 1));
        double v = rint(cut(x) * limit);

        return (int32_t) (v > limit - 1.0 ? limit - 1.0 : v);
}

#define ENCODE(type, store)                                    \
        do {                                                   \
                for (size_t i = 0; i < n; i++) {               \
                        type v = (type) (store);               \
                        memcpy(p + i * sizeof(v), &v, sizeof(v)); \
                }                                              \
        } while (0)

void samples_encode(enum sample_format f, const double *in, void *out, size_t n)
{
        uint8_t *p = out;

        switch (f) {
        case SAMPLE_S8:
                ENCODE(int8_t, to_integer(in[i], 8));
                break;
        case SAMPLE_U8:
                ENCODE(uint8_t, to_integer(in[i], 8) + 0x80);
                break;
        case SAMPLE_S16:
                ENCODE(int16_t, to_integer(in[i], 16));
                break;
        case SAMPLE_U16:
                ENCODE(uint16_t, to_integer(in[i], 16) + 0x8000);
                break;
        case SAMPLE_S24_3:
                for (size_t i = 0; i < n; i++) {
                        int32_t v = to_integer(in[i], 24);

                        memcpy(p + 3 * i, &v, 3);
                }
                break;
        case SAMPLE_S24:
                ENCODE(int32_t, to_integer(in[i], 24));
                break;
        case SAMPLE_S32:
                ENCODE(int32_t, to_integer(in[i], 32));
                break;
        case SAMPLE_U32:
                ENCODE(uint32_t, (uint32_t) to_integer(in[i], 32) + 0x80000000U);
                break;
        case SAMPLE_FLOAT:
                ENCODE(float, cut(in[i]));
                break;
        case SAMPLE_FLOAT64:
                ENCODE(double, cut(in[i]));
                break;
        case N_SAMPLE_FORMATS:
                break;
        }
}

static void map_mono(const double *in, uint32_t n_in, double *out, uint32_t n_out, size_t n_frames)
{
        for (size_t i = 0; i < n_frames; i++, in += n_in, out += n_out) {
                if (n_in == 1) {
                        memset(out, 0, n_out * sizeof(*out));
                        out[0] = out[1] = in[0];
                } else {
                        out[0] = 0.5 * (in[0] + in[1]);
                }
        }
}

void frames_map(const double *in, uint32_t n_in, double *out, uint32_t n_out, size_t n_frames)
{
        uint32_t n = MIN(n_in, n_out);

        if (n_in == n_out) {
                memcpy(out, in, n_frames * n_in * sizeof(*in));
                return;
        }
        if (n == 1) {
                map_mono(in, n_in, out, n_out, n_frames);
                return;
        }
        for (size_t i = 0; i < n_frames; i++, in += n_in, out += n_out) {
                memcpy(out, in, n * sizeof(*in));
                memset(out + n, 0, (n_out - n) * sizeof(*out));
        }
}

const uint8_t *channel_positions(uint32_t n_channels)
{
        static const uint8_t mono[] = { VIRTIO_SND_CHMAP_MONO };
        /* The order of ALSA and of WAV differ from the fifth on; guests follow the map that they are told. */
        static const uint8_t more[CHANNELS_MAX] = {
                VIRTIO_SND_CHMAP_FL, VIRTIO_SND_CHMAP_FR,  VIRTIO_SND_CHMAP_RL, VIRTIO_SND_CHMAP_RR,
                VIRTIO_SND_CHMAP_FC, VIRTIO_SND_CHMAP_LFE, VIRTIO_SND_CHMAP_SL, VIRTIO_SND_CHMAP_SR,
        };

        assert(n_channels >= 1 && n_channels <= CHANNELS_MAX);
        return n_channels == 1 ? mono : more;
}
