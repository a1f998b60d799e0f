# SPDX-License-Identifier: MPL-2.0
"""The WAV file of the cockpit's loudspeakers: two channels of 32-bit samples, 48 kHz, as system.json says."""

import array
import math
import sys
import wave

RATE = 48000
BYTES_PER_S = RATE * 2 * 4
BLOCK = RATE // 100  # of an envelope


def read(path, first_byte, seconds):
    """16-bit samples of both channels, from that place of the file."""
    data = path.read_bytes()[first_byte // 8 * 8 + 44:]
    data = data[:int(seconds * RATE) * 8]
    samples = array.array("i")
    samples.frombytes(data[:len(data) // 8 * 8])
    if sys.byteorder == "big":
        samples.byteswap()
    return array.array("h", (value >> 16 for value in samples))


def write(samples, path):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())


def level_db(samples, first_s, last_s, low_pass=False):
    """How loud it is from one time to another, of full scale; of the notes below some 200 Hz only if so asked."""
    left = samples[int(max(first_s, 0) * RATE) * 2:int(last_s * RATE) * 2:2]
    if low_pass:
        left = _low(_low(_low(left)))
    power = sum(value * value for value in left) / max(len(left), 1)
    return 10 * math.log10(max(power, 1e-3) / 32768 ** 2)


def envelope(samples):
    """(peak down, peak up) for each hundredth of a second, from -1 to 1."""
    left = samples[::2]
    blocks = [left[i:i + BLOCK] for i in range(0, len(left) - BLOCK + 1, BLOCK)]
    return [(min(block) / 32768, max(block) / 32768) for block in blocks]


def _low(values, share=0.022):
    state, out = 0.0, array.array("d")
    for value in values:
        state += (value - state) * share
        out.append(state)
    return out
