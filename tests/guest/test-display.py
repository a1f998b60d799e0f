#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Pictures of two guests on one screen, drawn by stock drivers: pixel by pixel where they belong, whatever the other
does.

Each guest has two scanouts. modetest draws its patterns into one dumb buffer that both show a part of, or flips pages.
A screenshot of each point is kept in BUILD/reports/display.
"""

import re
import time

import lab as guest_lab
from pictures import Control, Frames, difference, fitted, plain, smpte, tiles
from screen import FALLBACK, LIMIT_S, pause_amid_frames, up

SCREEN = (800, 480)
DISPLAYS = {
    "left": {"region": [16, 16, 320, 240], "scaling": "fit", "order": 0},
    "wide": {"region": [16, 280, 320, 160], "size": [160, 80], "scaling": "stretch"},
    "right": {"region": [400, 40, 320, 240], "order": 1},
    "front": {"region": [640, 200, 160, 120], "order": 2},
}
GUESTS = {"alpha": ("left", "wide"), "beta": ("right", "front")}
NEW_MODES = ((160, 90), (150, 200))
N_FRAMES = 60
N_TOUCHES = 20


def sizes(name):
    """(width, height) of both scanouts of a guest."""
    return [tuple(DISPLAYS[d].get("size", DISPLAYS[d]["region"][2:])) for d in GUESTS[name]]


def drawn(name, pattern):
    """{display: rows of pixels} of a guest whose one buffer lies across both scanouts, side by side."""
    (first, second) = sizes(name)
    width, height = first[0] + second[0], max(first[1], second[1])
    found, left = {}, 0
    for display, (w, h) in zip(GUESTS[name], (first, second)):
        found[display] = [[pattern(left + x, y, width, height) for x in range(w)] for y in range(h)]
        left += w
    return found


def flipped(name, pattern):
    """The same of a guest that flips pages on its first scanout: its second one is dark."""
    display, (w, h) = GUESTS[name][0], sizes(name)[0]
    return {**dark(name), display: [[pattern(x, y, w, h) for x in range(w)] for y in range(h)]}


def dark(name):
    return {d: [[FALLBACK] * DISPLAYS[d]["region"][2]] * DISPLAYS[d]["region"][3] for d in GUESTS[name]}


def connectors(machine):
    """{id: the first mode} of the screens that the driver has found."""
    text = machine.must("modetest -M virtio_gpu -c")
    found = dict(re.findall(r"^(\d+)\s+\d+\s+connected.*\n\s+modes:\n.*\n\s+#0 (\S+)", text, re.M))
    if len(found) != 2:
        raise AssertionError(f"{machine.name}: {len(found)} connected screens: {text}")
    return found


def wait_for_mode(machine, mode):
    """That it is the first one of the first screen."""
    guest_lab.until(f"mode {mode}", LIMIT_S, lambda: next(iter(connectors(machine).values())) == mode)


def modetest(machine, words):
    """Runs until the next call."""
    machine.must("[ -p /tmp/open ] || mkfifo /tmp/open; killall modetest 2>/dev/null; "
                 "while pidof modetest >/dev/null; do usleep 10000; done; true")
    # Its input stays open and silent: it would end at the first byte.
    machine.must(f"((exec 9<>/tmp/open; exec modetest -M virtio_gpu {words} <&9) >/tmp/modetest.log 2>&1 &)")


def draw(machine, pattern):
    """Draws on both scanouts of a guest."""
    modetest(machine, " ".join(f"-s {c}:{w}x{h}" for c, (w, h) in zip(connectors(machine), sizes(machine.name))) +
             f" -F {pattern}")


def flip(machine):
    """Flips between tiles and grey on the first one, as fast as the driver can."""
    (w, h) = sizes(machine.name)[0]
    modetest(machine, f"-s {next(iter(connectors(machine)))}:{w}x{h} -v -F tiles")
    machine.must("until grep -q freq /tmp/modetest.log; do usleep 50000; done", LIMIT_S)


def new_modes(lab, screen, alpha, beta_shows):
    """The kernel reads modes anew for the program that draws only, so that one ends first. QEMU's front end does not
    tell the driver of another mode: there the driver begins anew, the guest does not."""
    told = guest_lab.PLATFORM != "qemu"
    control = Control(next(lab.root.rglob("displays.control")))
    for number, (w, h) in enumerate(NEW_MODES):
        control.ask({"mode": {"display": "left", "size": [w, h]}})
        alpha.must("killall modetest; while pidof modetest >/dev/null; do usleep 10000; done")
        if not told:
            alpha.must("cd /sys/bus/virtio/drivers/virtio_gpu; device=$(ls -d virtio*); "
                       "echo $device >unbind; echo $device >bind")
        wait_for_mode(alpha, f"{w}x{h}")
        lab.point(True, f"another mode, {w}x{h}, reaches a driver that {'runs' if told else 'starts anew'}")
        DISPLAYS["left"]["size"] = (w, h)
        draw(alpha, "tiles")
        how = ("twice as large, sharp, with bars above and below", "smoothed, with bars on both sides")[number]
        screen.shows(f"fit-{w}x{h}", {**drawn("alpha", tiles), **beta_shows},
                     f"a picture of {w}x{h} fits into its region: {how}")
    control.close()


def flips(lab, screen, alpha_shows, beta):
    """Pages flip: the screen shows one or the other, and the neighbour's picture stays."""
    flip(beta)
    pages = [screen.compose({**alpha_shows, **flipped("beta", pattern)}) for pattern in (tiles, plain)]
    shots = [screen.shot(f"page-flips-{i}") for i in range(6)]
    seen = [[difference(shot, page) for page in pages] for shot in shots]
    torn = [both for both in seen if None not in both]
    lab.point(not torn, "six screenshots amid page flips: each is one page, whole" + (f": {torn[0]}" if torn else ""))
    lab.note("page flips: " + beta.must("tail -n 1 /tmp/modetest.log").strip())


def beside_a_flood(lab, screen, alpha):
    """Beta floods with page flips meanwhile: alpha's next picture arrives, and so does what is touched."""
    begun = time.monotonic()
    draw(alpha, "smpte")
    alpha_shows = drawn("alpha", smpte)
    expected = screen.compose({**alpha_shows, **dark("beta")})
    guest_lab.until("alpha's picture", LIMIT_S,
                    lambda: difference([row[:400] for row in screen.shot("flooded")], expected) is None)
    lab.point(True, "a guest that floods with page flips does not keep the other's new picture away")
    lab.note(f"it took {time.monotonic() - begun:.1f} s, of which the guest's shell "
             "and the comparison in Python are the most")
    alpha.must("(cat /dev/input/event0 >/tmp/touches 2>/dev/null </dev/null & echo $! >/tmp/cat.pid); "
               "until ls -l /proc/$(cat /tmp/cat.pid)/fd | grep -q input/event0; do usleep 20000; done")
    for i in range(N_TOUCHES):
        lab.busbar("input", lab.system, "main", "touch", 20 + i, 20 + i)
    # In each touch six events and a report, then two and a report, of 24 bytes.
    wanted = N_TOUCHES * 10 * 24
    alpha.run(f"i=0; while [ $(stat -c %s /tmp/touches) -lt {wanted} ] && [ $i -lt 1000 ]; "
              "do usleep 20000; i=$((i + 1)); done")
    size = int(alpha.must("stat -c %s /tmp/touches; kill $(cat /tmp/cat.pid)"))
    lab.point(size == wanted, f"nor one of {N_TOUCHES} touches: {size} of {wanted} bytes of events")


def killed_in_mid_frame(lab, screen, alpha, beta):
    """Both flip when beta is killed: its displays show the fallback, alpha's frames go on."""
    flip(alpha)
    (x, y, width, height) = DISPLAYS["left"]["region"]
    x += (width - fitted(flipped("alpha", plain)["left"], width, height)[0]) // 2
    frames = Frames(next(lab.root.rglob("displays.control")), "main",
                    {"alpha": (x, y), "beta": DISPLAYS["right"]["region"][:2]})
    guest_lab.until("frames of both", LIMIT_S, lambda: min(len(frames.changes(name)) for name in GUESTS) >= N_FRAMES)
    pause_amid_frames(lab, "beta", frames, N_FRAMES)
    killed = time.monotonic()
    beta.kill()
    fallback = guest_lab.until("fallback", LIMIT_S,
                               lambda: next((at for at, pixels in list(frames.seen)
                                             if at > killed and pixels["beta"] == FALLBACK), None))
    guest_lab.until("frames of alpha", LIMIT_S,
                    lambda: sum(at > fallback for at in frames.changes("alpha")) >= N_FRAMES)
    frames.close()
    changes = frames.changes("alpha")
    around = [at for at in changes if killed - 1 < at < fallback + 1]
    gap = max(b - a for a, b in zip(around, around[1:]))
    lab.point(all(pixels["beta"] == FALLBACK for at, pixels in frames.seen if at > fallback),
              "a guest is killed amid its page flips: its display shows the fallback after "
              f"{1000 * (fallback - killed):.0f} ms, and nothing else any more")
    lab.point(True, f"the other's pages go on: {sum(at < fallback for at in changes)} before, "
                    f"{sum(at > fallback for at in changes)} after; {1000 * gap:.0f} ms "
                    "was the longest without one in a second before and after")
    draw(alpha, "smpte")
    screen.shows("dead", {**drawn("alpha", smpte), **dark("beta")},
                 "the dead guest's displays both show the fallback, the other's picture is whole")
    draw(alpha, "tiles")
    screen.shows("survivor", {**drawn("alpha", tiles), **dark("beta")}, "and the other goes on drawing")


def body(lab):
    for name, displays in GUESTS.items():
        lab.bundle(name, [{"id": "dash", "type": "gpu", "displays": list(displays)},
                          {"id": "touch", "type": "input", "kind": "touch", "display": displays[0]}], memory_mib=192)
    (alpha, beta), screen = up(lab, GUESTS, DISPLAYS, SCREEN, "display")
    screen.shows("nothing", {**dark("alpha"), **dark("beta")}, "before a guest draws, its displays show the fallback")
    draw(alpha, "tiles")
    draw(beta, "smpte")
    pictures = {**drawn("alpha", tiles), **drawn("beta", smpte)}
    screen.shows("patterns", pictures, "dumb buffers of two guests: every pixel, stretched and in front too")
    lab.kill_shared_server("displays")
    screen.shows("restarted", pictures, "the display server is killed: all pictures return by themselves")
    draw(beta, "tiles")
    screen.shows("redrawn", {**drawn("alpha", tiles), **drawn("beta", tiles)}, "and the guests go on drawing")
    new_modes(lab, screen, alpha, drawn("beta", tiles))
    flips(lab, screen, drawn("alpha", tiles), beta)
    beside_a_flood(lab, screen, alpha)
    killed_in_mid_frame(lab, screen, alpha, beta)


guest_lab.run_test("display", body, guest="display-test")
