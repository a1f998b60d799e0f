#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Sound of stock guest kernels: aplay arrives bit for bit, alone and in the sum of two guests, whatever the other does;
arecord hears what was played; volume; a killed server."""

import array
import random

import lab as guest_lab

RATE = 48000
FRAME_BYTES = 4
SECONDS, LONG_SECONDS, N_FLOODS = 2, 40, 20
N_KILLS = 3
N_TRIES = 3
CHUNK_BYTES = 4096
FORMAT = f"-t raw -f S16_LE -c 2 -r {RATE}"
# ALSA (Linux 6.6 and later) gives a write up, EIO, if nothing was played for a tenth longer than the buffer lasts: a
# guest in emulation that gets no processor. This is about the longest buffer that the driver takes.
PATIENT = f"{FORMAT} --buffer-time=1200000"
MOST_PATIENT, PARAMETERS = PATIENT, ""
# On a board with emulated processors, whose guests are ten times as slow, a server's start alone takes seconds. There
# the driver is allowed 10 s of our format.
if guest_lab.PLATFORM == "kvm":
    SECONDS, LONG_SECONDS, N_FLOODS = 8, 120, 8
    PATIENT, MOST_PATIENT = f"{FORMAT} --buffer-time=4000000", f"{FORMAT} --buffer-time=8000000"
    PARAMETERS = "virtio_snd.pcm_buffer_ms=1250 virtio_snd.msg_timeout_ms=10000"
ODD = bytes(value | 1 for value in range(256))
HALF = bytes(value >> 1 | value & 0x80 for value in range(256))


def noise(seed, seconds):
    """Samples that are never 0, so that their start is found, and of half the range, so that two add up."""
    samples = bytearray(random.Random(seed).randbytes(FRAME_BYTES * RATE * seconds))
    samples[0::2] = samples[0::2].translate(ODD)
    samples[1::2] = samples[1::2].translate(HALF)
    return bytes(samples)


def start(lab, samples, long, others):
    for name, data in (("noise", samples), ("long", long), ("other", others)):
        (lab.folder / f"{name}.img").write_bytes(data)
    echo = lab.image("echo.img", 8 << 20)
    lab.bundle("a", [
        {"id": "noise", "type": "blk", "image": lab.folder / "noise.img", "readOnly": True},
        {"id": "echo", "type": "blk", "image": echo},
        {"id": "long", "type": "blk", "image": lab.folder / "long.img", "readOnly": True},
        {"id": "media", "type": "sound", "audio": "media"},
        {"id": "phone", "type": "sound", "audio": "phone"},
    ], parameters=PARAMETERS)
    lab.bundle("b", [
        {"id": "noise", "type": "blk", "image": lab.folder / "other.img", "readOnly": True},
        {"id": "chime", "type": "sound", "audio": "chime"},
    ], parameters=PARAMETERS)
    machines = lab.up("ab", restart="b",
                      speakers={"cabin": {"backend": "wav", "file": "out.wav"}, "handset": {"backend": "loopback"}},
                      audio={"media": {"speakers": "cabin"}, "chime": {"speakers": "cabin"},
                             "phone": {"speakers": "handset", "capture": True}})
    return machines + [echo]


def size_of_wav(lab):
    return (lab.folder / "out.wav").stat().st_size


def heard_since(lab, begin):
    """Samples of the WAV file, which has them in the upper half of 32 bits;
    None if there is something in the lower one."""
    with open(lab.folder / "out.wav", "rb") as source:
        source.seek(begin)
        data = source.read()
    data = data[:len(data) // (2 * FRAME_BYTES) * 2 * FRAME_BYTES]
    samples = bytearray(len(data) // 2)
    samples[0::2], samples[1::2] = data[2::4], data[3::4]
    return None if any(data[0::4]) or any(data[1::4]) else bytes(samples)


def played_exactly(lab, machine, samples):
    cards = machine.must("ls -d /proc/asound/card[0-9]* /sys/bus/virtio/drivers/virtio_snd/virtio*").split()
    lab.point(len(cards) == 4, "the stock driver finds both sound cards")
    begin = size_of_wav(lab)
    machine.must(f"aplay -q -D hw:0,0 {PATIENT} /dev/vdb")
    heard = heard_since(lab, begin)
    lab.point(heard is not None and samples in heard,
              f"{SECONDS} s of noise by aplay arrive in the WAV file bit for bit")


def position(machine, card):
    """Frames that the first stream of a card has played."""
    text = machine.must(f"cat /proc/asound/card{card}/pcm0p/sub0/status")
    return int(text.split("hw_ptr", 1)[1].split(":", 1)[1].split()[0]) if "hw_ptr" in text else 0


def play_in_background(machine, words, card=0):
    """Returns when it runs; its status is in /tmp/status. An underrun ends it."""
    machine.must(f"rm -f /tmp/status; ((aplay -q --fatal-errors -D hw:{card},0 {PATIENT} {words} 2>/tmp/aplay.log; "
                 "echo $? >/tmp/status) &); "
                 f"until grep -q RUNNING /proc/asound/card{card}/pcm0p/sub0/status || test -e /tmp/status; "
                 "do usleep 20000; done")


def is_playing(machine):
    return machine.run("test -e /tmp/status")[0] != 0


def flood(machine):
    """Silence in periods of a millisecond and a buffer of two, which a guest in emulation cannot keep up with: streams
    that are set up, started, run dry and released again and again, as fast as it can."""
    machine.must(f"i=0; while [ $i -lt {N_FLOODS} ]; do aplay -q --fatal-errors -D hw:0,0 "
                 f"--period-size=48 --buffer-size=96 {FORMAT} -d 1 /dev/zero >/dev/null 2>&1; i=$((i + 1)); done")


def without_ends(samples):
    """(index of the first frame that is not silent, in bytes; those up to the last one)"""
    first = (len(samples) - len(samples.lstrip(b"\0"))) // FRAME_BYTES * FRAME_BYTES
    last = -(-len(samples.rstrip(b"\0")) // FRAME_BYTES) * FRAME_BYTES
    return first, samples[first:max(first, last)]


def minus(heard, own):
    """Sample by sample, where they differ at all."""
    rest = bytearray(min(len(heard), len(own)))
    for at in range(0, len(rest), CHUNK_BYTES):
        a, b = heard[at:at + CHUNK_BYTES], own[at:at + CHUNK_BYTES]
        if a != b:
            pairs = zip(array.array("h", a), array.array("h", b))
            part = array.array("h", [(x - y + 0x8000 & 0xffff) - 0x8000 for x, y in pairs]).tobytes()
            rest[at:at + len(part)] = part
    return bytes(rest)


def seconds(n_bytes):
    return n_bytes / FRAME_BYTES / RATE


def play_beside_another(a, b):
    """a plays while b floods, plays all it has, and is killed while it plays again.
    False if a guest was too slow to play."""
    b.connect()
    play_in_background(a, "/dev/vdd")
    flood(b)
    if b.run(f"aplay -q --fatal-errors -D hw:0,0 {PATIENT} /dev/vdb 2>/tmp/aplay.log")[0] != 0:
        return False
    play_in_background(b, "/dev/vdb")
    guest_lab.until("sound of b", 60, lambda: position(b, 0) > 0)
    both = is_playing(a) and is_playing(b)
    b.kill()
    before = position(a, 0)
    guest_lab.until("sound of a", 60, lambda: not is_playing(a) or position(a, 0) > before + RATE)
    return both and is_playing(a)


def mixed(lab, a, b, long, others):
    for _ in range(N_TRIES):
        begin = size_of_wav(lab)
        if play_beside_another(a, b):
            break
        lab.note("a guest was too slow: " +
                 a.run("cat /tmp/status /tmp/aplay.log; dmesg | tail -n 3")[1].strip().replace("\n", " | "))
        a.run("killall aplay; while pidof aplay; do usleep 20000; done")
    went_on = is_playing(a)
    a.must("killall -INT aplay; until test -e /tmp/status; do usleep 20000; done")
    lab.point(went_on,
              f"sound goes on beside a guest that sets up {N_FLOODS} streams that run dry, "
              "and is killed while it plays")
    heard = heard_since(lab, begin)
    lab.point(heard is not None, "what was heard has 16 bits")
    heard = without_ends(heard or b"")[1]
    lab.note(f"{seconds(len(heard)):.2f} s were heard")
    first, rest = without_ends(minus(heard, long))
    lab.point(0 < len(heard) <= len(long) and rest[:len(others)] == others,
              f"sound of two guests adds up exactly, from {seconds(first):.2f} s on")
    after, again = without_ends(rest[len(others):])
    lab.point(0 < len(again) < len(others) and again == others[:len(again)],
              f"{seconds(after):.2f} s later {seconds(len(again)):.2f} s of a guest that is killed; "
              "all else is the other's, without a gap")


def recorded(lab, machine, samples, echo):
    machine.must(f"arecord -q -D hw:1,0 {PATIENT} -d {SECONDS + 6} /tmp/echo.raw & "
                 f"until grep -q RUNNING /proc/asound/card1/pcm0c/sub0/status; do usleep 20000; done; "
                 f"aplay -q -D hw:1,0 {PATIENT} /dev/vdb && wait "
                 "&& dd if=/tmp/echo.raw of=/dev/vdc bs=64k 2>/dev/null && sync")
    lab.point(samples in echo.read_bytes(), "arecord hears through loopback what aplay played")


def controlled(lab, machine):
    machine.must("amixer -q -c 0 cset name='PCM Playback Volume' 107")
    machine.must("amixer -q -c 0 cset name='PCM Playback Switch' off")
    values = machine.must("amixer -c 0 cget name='PCM Playback Volume'; amixer -c 0 cget name='PCM Playback Switch'")
    lab.point("values=107" in values and "values=off" in values and "dBscale-min=-63.50dB,step=0.50dB" in values,
              "volume in decibels and the switch are set and read")
    machine.must("amixer -q -c 0 cset name='PCM Playback Switch' on "
                 "&& amixer -q -c 0 cset name='PCM Playback Volume' 127")


def killed(lab, machine):
    machine.must(f"rm -f /tmp/status; ((aplay -q -D hw:1,0 {MOST_PATIENT} -d 3600 /dev/zero 2>/tmp/aplay.log; "
                 "echo $? >/tmp/status) &); until grep -q RUNNING /proc/asound/card1/pcm0p/sub0/status; "
                 "do usleep 20000; done")
    for _ in range(N_KILLS):
        lab.kill_shared_server("sound")
        before = position(machine, 1)
        guest_lab.until("sound goes on", 60, lambda before=before: position(machine, 1) > before + RATE)
    lab.point(is_playing(machine), f"{N_KILLS} kills of the server: sound resumes, aplay never noticed")
    machine.must("killall aplay; until test -e /tmp/status; do usleep 20000; done")
    machine.must(f"aplay -q -D hw:1,0 {PATIENT} /dev/vdb")
    lab.point(True, "what is played afterwards comes to its end")


def body(lab):
    samples, long, others = noise(4, SECONDS), noise(5, LONG_SECONDS), noise(6, SECONDS)
    machine, other, echo = start(lab, samples, long, others)
    machine.connect()
    played_exactly(lab, machine, samples)
    recorded(lab, machine, samples, echo)
    controlled(lab, machine)
    killed(lab, machine)
    mixed(lab, machine, other, long, others)
    machine.shell.send("exit")
    machine.wait_stopped()


guest_lab.run_test("sound", body, guest="display-test")
