#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""3D by a guest's own driver: Mesa's virgl in two stock guests. What they draw is on the screen, pixel by pixel.

gl-scene (guests/gl-test/src/scene.h) draws a picture that is known, kmscube is a program as it comes. Then a render
process is killed: the other guest's frames go on, and a program that starts anew draws again. Screenshots are kept in
BUILD/reports/gl.
"""

import os
import pathlib
import re
import signal
import time

import lab as guest_lab
from pictures import Frames
from screen import FALLBACK, LIMIT_S, pause_amid_frames, up

SIZE = (320, 240)
SCREEN = (680, 272)
DISPLAYS = {"left": {"region": [16, 16, *SIZE]}, "right": {"region": [344, 16, *SIZE]}}
GUESTS = {"alpha": "left", "beta": "right"}
N_FRAMES = 300
N_SEEN = 30
# kmscube's own background, half of 255 rounded either way, and where nothing else of it is.
CUBE_GREY = (0x7f7f7f, 0x808080)
PROGRAMS = "gl-scene kmscube"


def triangle(x, y):
    """Whether a pixel is of the triangle; None along the slope, where it is the rasteriser's choice."""
    if x < 20 or y < 100:
        return False
    # The middle of the pixel, on the slope from (140, 100) to (20, 200).
    side = 100 * (x + 0.5 - 140) + 120 * (y + 0.5 - 100)
    return None if abs(side) < 200 else side < 0


def texel(x, y):
    return (x - 100) // 16 * 0x300000 + (y - 16) // 16 * 0x003000 + 0x40


def rendered(x, y):
    return 0xc08040 if x < 212 else 0x4080c0 if y < 48 else 0x40c080


def scene_pixel(x, y, background):
    if 16 <= x < 80 and 16 <= y < 48:
        return 0x3060c0
    if 100 <= x < 164 and 16 <= y < 80:
        return texel(x, y)
    if 180 <= x < 244 and 16 <= y < 80:
        return rendered(x, y)
    in_front = triangle(x, y)
    if in_front is None or in_front:
        return None if in_front is None else 0x20e020
    return 0xe0e020 if 60 <= x < 160 and 110 <= y < 150 else background


def scene(background):
    return [[scene_pixel(x, y, background) for x in range(SIZE[0])] for y in range(SIZE[1])]


def dark():
    return [[FALLBACK] * SIZE[0]] * SIZE[1]


def start(machine, command):
    """A program that goes on beside the shell, with an input that stays open until end()."""
    machine.must("rm -f /tmp/log /tmp/pid; [ -p /tmp/open ] || mkfifo /tmp/open; "
                 f"(sh -c 'echo $$ >/tmp/pid; exec 9<>/tmp/open; exec {command} <&9' >/tmp/log 2>&1 &); "
                 "until [ -s /tmp/pid ]; do usleep 10000; done")


def wait_for(machine, text):
    """That the program says so; fails with all that it said if it ends first. Return: that."""
    machine.run(f"while ! grep -q '{text}' /tmp/log && kill -0 $(cat /tmp/pid) 2>/dev/null; do usleep 20000; done",
                LIMIT_S)
    said = machine.must("cat /tmp/log")
    if text not in said:
        raise AssertionError(f"{machine.name}: no {text!r}: {said}")
    return said


def end(machine):
    machine.must(f"killall {PROGRAMS} 2>/dev/null; while pidof {PROGRAMS} >/dev/null; do usleep 10000; done; true")


def draw(machine, background, n_frames=1):
    start(machine, f"gl-scene {background:06x} {n_frames}")
    return wait_for(machine, "shown")


def is_sound(said):
    """What gl-scene says of a picture that it could read back as it drew it."""
    return "read back: as drawn" in said and "errors: 0x0" in said


def mapped_memory(pid):
    """Inodes of the anonymous files that a process has in its memory."""
    return set(re.findall(r"^\S+ \S+ \S+ (\S+ \d+)\s+/memfd:", pathlib.Path(f"/proc/{pid}/maps").read_text(), re.M))


def children(pid):
    return [int(found) for found in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def render_processes(lab, machines):
    """{name of a guest: the process that renders for it}: who has that guest's memory, too."""
    found = {}
    for host in children(lab.shared_servers()["displays"]):
        for pid in children(host):
            for machine in machines:
                if mapped_memory(pid) & mapped_memory(machine.hypervisor()):
                    found[machine.name] = pid
    return found


def renderer(lab, machine):
    """The first program: the driver's own words, and what it can read back."""
    kernel = machine.must("dmesg")
    lab.point("+virgl" in kernel and "number of cap sets: 2" in kernel,
              f"{machine.name}: the kernel has virgl, with two capability sets")
    said = draw(machine, 0x204060)
    name = re.search(r"^renderer: (.*)", said, re.M)[1]
    lab.point(name.startswith("virgl ("), f"{machine.name}: Mesa's renderer is {name}")
    lab.point(is_sound(said), f"{machine.name}: what it drew can be read back: {said.strip()}")


def frames(lab, machine):
    """Page flips: both corners of each frame have one frame's background."""
    (x, y, w, h) = DISPLAYS[GUESTS[machine.name]]["region"]
    corners = {"first": (x, y), "last": (x + w - 1, y + h - 1)}
    seen = Frames(next(lab.root.rglob("displays.control")), "main", corners)
    end(machine)
    said = draw(machine, 0x206040, N_FRAMES)
    seen.close()
    torn = [pixels for _, pixels in seen.seen if pixels["first"] != pixels["last"]]
    lab.point(not torn, f"of {len(seen.seen)} frames on the screen each shows one frame of the guest's"
                        + (f": {torn[0]}" if torn else ""))
    n = len(seen.changes("first"))
    lab.point(n >= N_SEEN, f"{n} of the guest's {N_FRAMES} frames were seen: " + re.search("frames: .*", said)[0])


def cube(lab, screen, machine):
    """kmscube until its picture is there: grey around, many colours in the middle."""
    (x, y, w, h) = DISPLAYS[GUESTS[machine.name]]["region"]
    end(machine)
    start(machine, "kmscube")

    def probe():
        rows = screen.shot("kmscube")
        corners = {rows[row][column] for row in (y, y + h - 1) for column in (x, x + w - 1)}
        left, top = x + w // 2 - 20, y + h // 2 - 20
        middle = {value for row in rows[top:top + 40] for value in row[left:left + 40]}
        return len(corners) == 1 and corners <= set(CUBE_GREY) and len(middle - corners) > 50

    guest_lab.until("kmscube", LIMIT_S, probe)
    said = wait_for(machine, "renderer: \"virgl (")
    lab.point(True, "kmscube turns its cube on the screen, by " + re.search("renderer: .*", said)[0])
    end(machine)


def killed(lab, screen, alpha, beta):
    """The render process of one guest is killed amid the other's frames."""
    process = render_processes(lab, [alpha, beta])
    lab.point(set(process) == set(GUESTS) and len(set(process.values())) == 2,
              f"each guest has a render process of its own: {process}")
    (x, y) = DISPLAYS["right"]["region"][:2]
    end(beta)
    start(beta, "gl-scene 602040 1000000")
    seen = Frames(next(lab.root.rglob("displays.control")), "main", {"beta": (x, y)})
    guest_lab.until("frames of beta", LIMIT_S, lambda: len(seen.changes("beta")) >= N_SEEN)
    pause_amid_frames(lab, "beta", seen, N_SEEN)
    os.kill(process["alpha"], signal.SIGKILL)
    at = time.monotonic()
    guest_lab.until("frames of beta", LIMIT_S, lambda: sum(when > at for when in seen.changes("beta")) >= N_SEEN)
    seen.close()
    around = [when for when in seen.changes("beta") if when > at - 1]
    gap_ms = 1000 * max(b - a for a, b in zip(around, around[1:]))
    lab.point(True, f"a render process is killed: the other guest's frames go on; longest without: {gap_ms:.0f} ms")
    end(beta)
    screen.shows("killed", {"left": scene(0x204060), "right": dark()}, "and what its own guest showed stays")
    end(alpha)
    screen.shows("ended", {"left": dark(), "right": dark()}, "until that program ends")
    said = draw(alpha, 0x604020)
    lab.point(is_sound(said), "a program that starts anew draws again, with no reset of the driver: " + said.strip())
    screen.shows("anew", {"left": scene(0x604020), "right": dark()}, "and its picture is whole")
    now = render_processes(lab, [alpha, beta])
    lab.point(now.get("alpha") not in (None, process["alpha"]) and now.get("beta") == process["beta"],
              f"by a new process of that guest's, the other one's is the same: {now}")


def restarted(lab, screen, alpha):
    """The display server is killed amid frames, and with it the render processes:
    2D would come back, 3D begins anew."""
    end(alpha)
    start(alpha, "gl-scene 602040 1000000")
    seen = Frames(next(lab.root.rglob("displays.control")), "main", {"alpha": DISPLAYS["left"]["region"][:2]})
    guest_lab.until("frames of alpha", LIMIT_S, lambda: len(seen.changes("alpha")) >= N_SEEN)
    seen.close()
    lab.kill_shared_server("displays")
    end(alpha)
    said = draw(alpha, 0x406020)
    lab.point(is_sound(said),
              "the display server is killed amid frames, a program that starts anew draws: " + said.strip())
    screen.shows("restarted", {"left": scene(0x406020), "right": dark()}, "and its picture is whole")


def body(lab):
    for name, display in GUESTS.items():
        lab.bundle(name, [{"id": "dash", "type": "gpu", "display": display, "render3d": True}], memory_mib=384)
    (alpha, beta), screen = up(lab, GUESTS, DISPLAYS, SCREEN, "gl")
    renderer(lab, alpha)
    renderer(lab, beta)
    screen.shows("scenes", {"left": scene(0x204060), "right": scene(0x204060)},
                 "clears, textures from memory and rendered to, a triangle before a square: every pixel of both")
    frames(lab, beta)
    cube(lab, screen, beta)
    killed(lab, screen, alpha, beta)
    restarted(lab, screen, alpha)


guest_lab.run_test("gl", body, guest="gl-test")
