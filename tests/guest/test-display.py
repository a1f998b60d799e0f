#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Pictures of two guests on one screen, drawn by stock drivers: pixel by pixel where they belong, whatever the other does.

Each guest has two scanouts. modetest draws its patterns into one dumb buffer that both show a part of, or flips pages.
A screenshot of each point is kept in BUILD/reports/display.
"""

import json
import os
import re
import signal
import struct
import time
import zlib

import lab as guest_lab

SCREEN = (800, 480)
BACKGROUND, FALLBACK = 0x101418, 0x301020
REPORT = guest_lab.BUILD / "reports/display"
DISPLAYS = {
    "left": {"region": [16, 16, 320, 240], "order": 0},
    "wide": {"region": [16, 280, 320, 160], "size": [160, 80], "scaling": "stretch"},
    "right": {"region": [400, 40, 320, 240], "order": 1},
    "front": {"region": [640, 200, 160, 120], "order": 2},
}
GUESTS = {"alpha": ("left", "wide"), "beta": ("right", "front")}
LIMIT_S = 120


def tiles(x, y, width, height):
    """The pixel of modetest's pattern of that name, in a buffer of that size."""
    rest, part = (x + y) % width >> 6, (x + y) // width >> 6
    return (0x130502 * part + 0x0a1120 * rest) & 0xffffff


def smpte(x, y, width, height):
    top = (0xc0c0c0, 0xc0c000, 0x00c0c0, 0x00c000, 0xc000c0, 0xc00000, 0x0000c0)
    middle = (0x0000c0, 0x131313, 0xc000c0, 0x131313, 0x00c0c0, 0x131313, 0xc0c0c0)
    bottom = (0x00214c, 0xffffff, 0x32006a, 0x131313, 0x090909, 0x131313, 0x1d1d1d, 0x131313)
    if y < height * 6 // 9:
        return top[x * 7 // width]
    if y < height * 7 // 9:
        return middle[x * 7 // width]
    if x < width * 5 // 7:
        return bottom[x * 4 // (width * 5 // 7)]
    if x < width * 6 // 7:
        return bottom[(x - width * 5 // 7) * 3 // (width // 7) + 4]
    return bottom[7]


def plain(_x, _y, _width, _height):
    return 0x777777


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


def dark(name):
    return {d: [[FALLBACK] * DISPLAYS[d]["region"][2]] * DISPLAYS[d]["region"][3] for d in GUESTS[name]}


def compose(pictures):
    """Rows of the whole screen; None where scaling smooths an edge, which is not looked at."""
    rows = [[BACKGROUND] * SCREEN[0] for _ in range(SCREEN[1])]
    for display in sorted(pictures, key=lambda d: DISPLAYS[d].get("order", 0)):
        x, y, w, h = DISPLAYS[display]["region"]
        picture = pictures[display]
        if (w, h) != (len(picture[0]), len(picture)):
            picture = stretched(picture, w // len(picture[0]))
        for i, row in enumerate(picture):
            rows[y + i][x:x + w] = row
    return rows


def stretched(picture, times):
    height, width = len(picture), len(picture[0])

    def pixel(x, y):
        near = {picture[min(max(y + j, 0), height - 1)][min(max(x + i, 0), width - 1)] for i in (-1, 0, 1) for j in (-1, 0, 1)}
        return picture[y][x] if len(near) == 1 else None

    rows = []
    for y in range(height):
        row = [value for x in range(width) for value in [pixel(x, y)] * times]
        rows += [row] * times
    return rows


def read_png(path):
    """Rows of pixels, 0xrrggbb."""
    data, at, packed, depth, width, height = path.read_bytes(), 8, b"", 0, 0, 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IHDR":
            width, height, bits, colours = struct.unpack_from(">IIBB", data, at + 8)
            assert bits == 8 and colours in (2, 6)
            depth = 3 if colours == 2 else 4
        elif kind == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += size + 12
    raw, stride, before, rows = zlib.decompress(packed), width * depth, bytearray(width * depth), []
    for y in range(height):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride) if kind else ():
            a, b, c = (line[i - depth] if i >= depth else 0), before[i], (before[i - depth] if i >= depth else 0)
            if kind == 4:
                p = a + b - c
                a = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line[i] = (line[i] + (0, a, b, (a + b) // 2, a)[kind]) & 255
        rows.append([line[i] << 16 | line[i + 1] << 8 | line[i + 2] for i in range(0, stride, depth)])
        before = line
    return rows


def servers(lab):
    """{name: pid} of the system's own servers."""
    return {server["name"]: server.get("pid") for server in json.loads(lab.busbar("state", "@system").stdout)["servers"]}


def difference(rows, expected):
    """The first pixel that is not as expected; None if there is none."""
    for y, (row, right) in enumerate(zip(rows, expected)):
        if row != right:
            for x, (a, b) in enumerate(zip(row, right)):
                if b is not None and a != b:
                    return x, y, f"{a:06x} instead of {b:06x}"
    return None


class Screen:
    def __init__(self, lab, system):
        self.lab, self.system = lab, system
        REPORT.mkdir(parents=True, exist_ok=True)

    def shot(self, name):
        path = REPORT / (name + ".png")
        self.lab.busbar("screenshot", self.system, "main", "--output", path)
        return read_png(path)

    def shows(self, name, expected, what):
        """A point: the screen shows this, at the latest after a while."""
        last = []

        def probe():
            last[:] = [difference(self.shot(name), expected)]
            return last[0] is None

        try:
            guest_lab.until(name, LIMIT_S, probe)
        except TimeoutError:
            pass
        return self.lab.point(last[0] is None, what + (f": at {last[0]}" if last[0] else ""))


def connectors(machine):
    found = re.findall(r"^(\d+)\s+\d+\s+connected", machine.must("modetest -M virtio_gpu -c"), re.M)
    if len(found) != 2:
        raise AssertionError(f"{machine.name}: {len(found)} connected screens")
    return found


def draw(machine, pattern):
    """Draws on both scanouts of a guest, until the next call."""
    modes = " ".join(f"-s {c}:{w}x{h}" for c, (w, h) in zip(connectors(machine), sizes(machine.name)))
    machine.must("[ -p /tmp/open ] || mkfifo /tmp/open; killall modetest 2>/dev/null; while pidof modetest >/dev/null; do usleep 10000; done; true")
    # Its input stays open and silent: it would end at the first byte.
    machine.must(f"((exec 9<>/tmp/open; exec modetest -M virtio_gpu {modes} -F {pattern} <&9) >/tmp/modetest.log 2>&1 &)")


def flips(lab, screen, alpha_shows, beta):
    """Pages flip as fast as the driver can: the screen shows one or the other, and the neighbour's picture stays."""
    connector, (w, h) = connectors(beta)[0], sizes("beta")[0]
    beta.must("killall modetest; while pidof modetest >/dev/null; do usleep 10000; done; true")
    beta.must(f"((exec 9<>/tmp/open; exec modetest -M virtio_gpu -s {connector}:{w}x{h} -v -F tiles <&9) >/tmp/modetest.log 2>&1 &)")
    beta.must("until grep -q freq /tmp/modetest.log; do usleep 50000; done", LIMIT_S)
    pages = []
    for pattern in (tiles, plain):
        page = {"right": [[pattern(x, y, w, h) for x in range(w)] for y in range(h)], "front": dark("beta")["front"]}
        pages.append(compose({**alpha_shows, **page}))
    shots = [screen.shot("page-flips") for _ in range(6)]
    seen = [[difference(shot, page) for page in pages] for shot in shots]
    torn = [both for both in seen if None not in both]
    lab.point(not torn, "six screenshots amid page flips: each is one page, whole" + (f": {torn[0]}" if torn else ""))
    lab.note("page flips: " + beta.must("tail -n 1 /tmp/modetest.log").strip())


def alone(lab, screen, alpha, beta):
    """Beta floods with page flips, then dies: alpha's next picture arrives each time."""
    begun = time.monotonic()
    draw(alpha, "smpte")
    alpha_shows = drawn("alpha", smpte)
    x, y, w, h = DISPLAYS["left"]["region"]
    guest_lab.until("alpha's picture", LIMIT_S, lambda: [r[x:x + w] for r in screen.shot("flooded")[y:y + h]] == alpha_shows["left"])
    lab.point(True, "a guest that floods with page flips does not keep the other's new picture away")
    lab.note(f"it took {time.monotonic() - begun:.1f} s, of which the guest's shell and the comparison in Python are the most")
    os.kill(beta.state()["pid"], signal.SIGKILL)
    beta.wait_stopped()
    screen.shows("dead", compose({**alpha_shows, **dark("beta")}), "a guest is killed: its displays show the fallback, the other's picture stays")
    draw(alpha, "tiles")
    screen.shows("survivor", compose({**drawn("alpha", tiles), **dark("beta")}), "and the other goes on drawing")


def body(lab):
    for name, displays in GUESTS.items():
        lab.bundle(name, [{"id": "dash", "type": "gpu", "displays": list(displays)}], memory_mib=192)
    system = lab.folder / "system.json"
    for display in DISPLAYS.values():
        display.update({"screen": "main", "fallback": {"colour": f"#{FALLBACK:06x}"}})
    system.write_text(json.dumps({
        "screens": {"main": {"size": list(SCREEN), "background": f"#{BACKGROUND:06x}"}},
        "displays": DISPLAYS,
        "machines": {name: {"bundle": name, "platform": guest_lab.PLATFORM} for name in GUESTS}}))
    lab.busbar("up", "--detach", system)
    lab.started.append(system)
    alpha, beta = [guest_lab.Machine(lab, name).connect() for name in GUESTS]
    screen = Screen(lab, system)
    screen.shows("nothing", compose({**dark("alpha"), **dark("beta")}), "before a guest draws, its displays show the fallback")
    draw(alpha, "tiles")
    draw(beta, "smpte")
    pictures = {**drawn("alpha", tiles), **drawn("beta", smpte)}
    screen.shows("patterns", compose(pictures), "dumb buffers of two guests: every pixel, stretched and in front too")
    killed = servers(lab)["displays"]
    os.kill(killed, signal.SIGKILL)
    guest_lab.until("successor of the display server", 60, lambda: servers(lab).get("displays") not in (None, 0, killed))
    screen.shows("restarted", compose(pictures), "the display server is killed: all pictures return by themselves")
    draw(beta, "tiles")
    pictures.update(drawn("beta", tiles))
    screen.shows("redrawn", compose(pictures), "and the guests go on drawing")
    flips(lab, screen, drawn("alpha", tiles), beta)
    alone(lab, screen, alpha, beta)


guest_lab.run_test("display", body, guest="display-test")
