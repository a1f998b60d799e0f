#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Sound of a stock guest kernel: aplay arrives bit for bit, arecord hears what was played, volume, a killed server."""

import json
import os
import random
import signal

import lab as guest_lab

RATE = 48000
SECONDS = 2
N_KILLS = 3
FORMAT = f"-t raw -f S16_LE -c 2 -r {RATE}"


def noise():
    """Samples that are never 0, so that their start is found."""
    numbers = random.Random(4)
    return b"".join((numbers.randrange(65536) | 1).to_bytes(2, "little") for _ in range(2 * RATE * SECONDS))


def as_wav(samples):
    """As our WAV files have them: the upper half of 32 bits."""
    return b"".join(b"\0\0" + samples[i:i + 2] for i in range(0, len(samples), 2))


def sound_pid(lab):
    for pid, words in lab.processes():
        if " device sound " in words:
            return pid
    return None


def kill_server(lab):
    old = sound_pid(lab)
    os.kill(old, signal.SIGKILL)

    def successor():
        pid = sound_pid(lab)
        return pid if pid and pid != old else None

    guest_lab.until("successor of the sound server", 30, successor)


def start(lab, samples):
    (lab.folder / "noise.img").write_bytes(samples)
    echo = lab.image("echo.img", 8 << 20)
    lab.bundle("a", [
        {"id": "noise", "type": "blk", "image": lab.folder / "noise.img", "readOnly": True},
        {"id": "echo", "type": "blk", "image": echo},
        {"id": "media", "type": "sound", "audio": "media"},
        {"id": "phone", "type": "sound", "audio": "phone"},
    ])
    path = lab.folder / "system.json"
    path.write_text(json.dumps({
        "machines": {"a": {"bundle": "a", "platform": lab.platform}},
        "speakers": {"cabin": {"backend": "wav", "file": "out.wav"}, "handset": {"backend": "loopback"}},
        "audio": {"media": {"speakers": "cabin"}, "phone": {"speakers": "handset", "capture": True}},
    }, indent=8))
    lab.busbar("up", "--detach", path)
    lab.started.append(path)
    return guest_lab.Machine(lab, "a").connect(), echo


def played_exactly(lab, machine, samples):
    cards = machine.must("ls -d /proc/asound/card[0-9]* /sys/bus/virtio/drivers/virtio_snd/virtio*").split()
    lab.point(len(cards) == 4, "the stock driver finds both sound cards")
    machine.must(f"aplay -q -D hw:0,0 {FORMAT} /dev/vdb")
    wav = (lab.folder / "out.wav").read_bytes()
    lab.point(as_wav(samples) in wav, f"{SECONDS} s of noise by aplay arrive in the WAV file bit for bit")


def recorded(lab, machine, samples, echo):
    machine.must(f"arecord -q -D hw:1,0 {FORMAT} -d {SECONDS + 6} /tmp/echo.raw & "
                 f"until grep -q RUNNING /proc/asound/card1/pcm0c/sub0/status; do usleep 20000; done; "
                 f"aplay -q -D hw:1,0 {FORMAT} /dev/vdb && wait && dd if=/tmp/echo.raw of=/dev/vdc bs=64k 2>/dev/null && sync")
    lab.point(samples in echo.read_bytes(), "arecord hears through loopback what aplay played")


def controlled(lab, machine):
    machine.must("amixer -q -c 0 cset name='PCM Playback Volume' 107")
    machine.must("amixer -q -c 0 cset name='PCM Playback Switch' off")
    values = machine.must("amixer -c 0 cget name='PCM Playback Volume'; amixer -c 0 cget name='PCM Playback Switch'")
    lab.point("values=107" in values and "values=off" in values and "dBscale-min=-63.50dB,step=0.50dB" in values,
              "volume in decibels and the switch are set and read")
    machine.must("amixer -q -c 0 cset name='PCM Playback Switch' on")


def killed(lab, machine):
    machine.must(f"(aplay -q -D hw:1,0 {FORMAT} -d 3600 /dev/zero 2>/tmp/aplay.log; echo $? >/tmp/status) & "
                 "until grep -q RUNNING /proc/asound/card1/pcm0p/sub0/status; do usleep 20000; done")

    def position():
        text = machine.must("cat /proc/asound/card1/pcm0p/sub0/status")
        return int(text.split("hw_ptr", 1)[1].split(":", 1)[1].split()[0]) if "hw_ptr" in text else 0

    for _ in range(N_KILLS):
        before = position()
        kill_server(lab)
        guest_lab.until("sound goes on", 60, lambda before=before: position() > before + RATE)
    lab.point(machine.run("test -e /tmp/status")[0] != 0, f"{N_KILLS} kills of the server: sound resumes, aplay never noticed")
    machine.must("killall aplay; until test -e /tmp/status; do usleep 20000; done")
    machine.must(f"aplay -q -D hw:1,0 {FORMAT} /dev/vdb")
    lab.point(True, "what is played afterwards comes to its end")


def body(lab):
    samples = noise()
    machine, echo = start(lab, samples)
    played_exactly(lab, machine, samples)
    recorded(lab, machine, samples, echo)
    controlled(lab, machine)
    killed(lab, machine)
    machine.shell.send("exit")
    machine.wait_stopped()


guest_lab.run_test("sound", body, guest="display-test")
