#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Two guests with stock drivers share one screen: what people do arrives in the evdev devices of the guest whose
display it is done on, event by event, and nowhere else; a guest that restarts is told what is held."""

import base64
import random
import re
import socket
import struct

import lab as guest_lab

EV_SYN, EV_KEY, EV_REL, EV_ABS, EV_MSC, EV_REP, EV_LED = 0, 1, 2, 3, 4, 0x14, 0x11
ABS_X, ABS_Y, SLOT, MT_X, MT_Y, TRACKING = 0, 1, 0x2f, 0x35, 0x36, 0x39
BTN_LEFT, BTN_TOUCH, KEY_LEFTCTRL, KEY_C = 0x110, 0x14a, 29, 46
REL_DIAL, REL_WHEEL = 7, 8
WIDTH, HEIGHT = 1280, 480
SYSTEM = {
    "screens": {"main": {"output": "headless", "size": [WIDTH, HEIGHT], "input": {"keyFocus": "right"}}},
    "displays": {"left": {"screen": "main", "region": [0, 0, 640, 480]},
                 "right": {"screen": "main", "region": [640, 0, 640, 480], "size": [320, 240], "scaling": "stretch"}},
}
NAMES = {"touch": "Busbar touch screen", "keyboard": "Busbar keyboard", "pointer": "Busbar pointer",
         "rotary": "Busbar rotary knob"}


class Sender:
    """A source of its own, as a screen's output is one (src/seat/message.h)."""

    DOWN, MOVE, UP = 1, 2, 3

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.connect(str(path))
        self.source, self.sequence = random.getrandbits(32), 0

    def say(self, kind, finger=0, x=0, y=0):
        axes = [(2 * pixel + 1) * 32768 // size for pixel, size in ((x, WIDTH), (y, HEIGHT))]
        self.socket.send(struct.pack("=4I32sIIiII", 0x54414553, self.source, self.sequence, kind, b"main", finger, 0, 0,
                                     *axes))
        self.sequence += 1


class Device:
    """An evdev device of a guest, and what came out of it since the last look. The reader writes as it reads."""

    def __init__(self, machine, node):
        self.machine, self.node, self.n_read, self.pending = machine, node, 0, []
        self.machine.must(f"(cat /dev/input/{node} >/tmp/{node} 2>/dev/null </dev/null & echo $! >/tmp/{node}.pid)")
        guest_lab.until("reader", 30,
                        lambda: self.machine.run(f"ls -l /proc/$(cat /tmp/{node}.pid)/fd | "
                                                 f"grep -q input/{node}")[0] == 0)

    def events(self):
        """Whole events that were not read yet."""
        text = self.machine.must(f"tail -c +{self.n_read + 1} /tmp/{self.node} | base64")
        data = base64.b64decode("".join(text.split()))
        data = data[:len(data) // 24 * 24]
        self.n_read += len(data)
        new = [struct.unpack_from("=HHi", data, at + 16) for at in range(0, len(data), 24)]
        return [event for event in new if event[0] not in (EV_MSC, EV_REP)]

    def wait(self, n_reports, deadline_s=60):
        """The next reports, each a list without its SYN_REPORT."""
        got = []

        def enough():
            got.extend(self.events())
            return sum(event == (EV_SYN, 0, 0) for event in got) >= n_reports

        guest_lab.until(f"{n_reports} reports of {self.node}", deadline_s, enough)
        reports = [[]]
        for event in got:
            if event == (EV_SYN, 0, 0):
                reports.append([])
            else:
                reports[-1].append(event)
        return reports[:-1]


def find_devices(machine):
    """{name: (node, serial, bitmaps)} of what the kernel has found."""
    found = {}
    for block in machine.must("cat /proc/bus/input/devices").split("\n\n"):
        name = re.search(r'N: Name="(.*)"', block)
        node = re.search(r"H: Handlers=.*?(event\d+)", block)
        serial = re.search(r"U: Uniq=(.*)", block)
        if name and node and name.group(1).startswith("Busbar"):
            found[name.group(1)] = (node.group(1), serial.group(1), dict(re.findall(r"B: (\w+)=(.*)", block)))
    return found


def bring_up(lab):
    lab.bundle("a", [{"id": "touch", "type": "input", "kind": "touch", "display": "left"}])
    lab.bundle("b", [{"id": kind, "type": "input", "kind": kind, "display": "right"} for kind in NAMES])
    return [machine.connect() for machine in lab.up("ab", restart="ab", **SYSTEM)]


def kernel_finds_what_was_asked_for(lab, a, b):
    devices = find_devices(a), find_devices(b)
    lab.point(set(devices[0]) == {NAMES["touch"]}, f"the left guest has a touch screen: {sorted(devices[0])}")
    lab.point(set(devices[1]) == set(NAMES.values()), f"the right guest has all four: {sorted(devices[1])}")
    lab.point(devices[0][NAMES["touch"]][1].endswith("touch"), f"its serial is {devices[0][NAMES['touch']][1]!r}")
    lab.point(devices[0][NAMES["touch"]][2]["PROP"] == "2", "it is a direct device")
    b.must(f"(evtest /dev/input/{devices[1][NAMES['touch']][0]} >/tmp/evtest 2>&1 </dev/null & "
           "echo $! >/tmp/evtest.pid)")
    ranges = b.must("until grep -q Testing /tmp/evtest; do usleep 20000; done; "
                    "kill $(cat /tmp/evtest.pid); cat /tmp/evtest")
    lab.point(re.search(r"ABS_MT_POSITION_X\)\s+Value\s+\d+\s+Min\s+0\s+Max\s+319\b", ranges) is not None
              and re.search(r"ABS_MT_SLOT\)\s+Value\s+\d+\s+Min\s+0\s+Max\s+9\b", ranges) is not None,
              "its axes are the pixels of the guest's picture, and it has ten slots")
    left = Device(a, devices[0][NAMES["touch"]][0])
    right = {kind: Device(b, devices[1][name][0]) for kind, name in NAMES.items()}
    return left, right


def touched(x, y, tracking, slot=0):
    down = [(EV_ABS, TRACKING, tracking), (EV_ABS, MT_X, x), (EV_ABS, MT_Y, y), (EV_KEY, BTN_TOUCH, 1),
            (EV_ABS, ABS_X, x), (EV_ABS, ABS_Y, y)]
    return [down, [(EV_ABS, TRACKING, -1), (EV_KEY, BTN_TOUCH, 0)]]


def verb_reaches_the_right_device(lab, left, right):
    lab.busbar("input", lab.system, "main", "touch", 100, 200)
    got = left.wait(2)
    lab.point(got == touched(100, 200, 0), f"a touch on the left display, event by event: {got}")
    lab.busbar("input", lab.system, "main", "drag", 600, 10, 700, 20)
    got = left.wait(3)
    last = {(kind, code): value for report in got for kind, code, value in report if code in (MT_X, MT_Y)}
    lab.point(last == {(EV_ABS, MT_X): 639, (EV_ABS, MT_Y): 20}, f"a finger that slides over the border stays: {last}")
    lab.busbar("input", lab.system, "main", "key", "leftctrl+c")
    got = [event for report in right["keyboard"].wait(4) for event in report]
    lab.point(got[:2] == [(EV_KEY, KEY_LEFTCTRL, 1), (EV_KEY, KEY_C, 1)]
              and sorted(got[2:]) == [(EV_KEY, KEY_LEFTCTRL, 0), (EV_KEY, KEY_C, 0)],
              f"keys go to the display with the focus: {got}")
    lab.busbar("input", lab.system, "main", "rotary", -3)
    got = [event for report in right["rotary"].wait(1) for event in report]
    lab.point(sum(value for _, _, value in got) == -3 and {event[:2] for event in got} == {(EV_REL, REL_DIAL)},
              f"so do clicks of a knob: {got}")
    lab.busbar("input", lab.system, "main", "click", 640 + 100, 50)
    got = [event for report in right["pointer"].wait(2) for event in report]
    lab.point(got == [(EV_ABS, ABS_X, 50), (EV_ABS, ABS_Y, 25), (EV_KEY, BTN_LEFT, 1), (EV_KEY, BTN_LEFT, 0)],
              f"a click on the right display is the pointer's, at its place: {got}")
    lab.point(not left.events() and not right["touch"].events(), "nobody else heard anything")


def fingers_of(reports):
    """(x, y) of each finger that came down, in order."""
    down = []
    for report in reports:
        values = {code: value for kind, code, value in report if kind == EV_ABS}
        if values.get(TRACKING, -1) >= 0:
            down.append((values.get(MT_X), values.get(MT_Y)))
    return down


def every_touch_arrives_where_it_belongs(lab, seat, left, right, n=200):
    """Places differ in both axes from one to the next: the kernel leaves out what did not change."""
    expected = {left: [], right["touch"]: []}
    for i in range(n):
        x, y = (i * 337) % WIDTH, (i * 101) % HEIGHT
        device = left if x < 640 else right["touch"]
        expected[device].append((x, y) if x < 640 else ((x - 640) // 2, y // 2))
        seat.say(Sender.DOWN, 0, x, y)
        seat.say(Sender.UP, 0)
        if i % 10 == 9:
            for each, places in expected.items():
                each.pending += each.wait(2 * len(places) - len(each.pending))
    for name, device in (("left", left), ("right", right["touch"])):
        got, wanted = fingers_of(device.pending), expected[device]
        same = len(got) == len(wanted) and all((gx is None or gx == x) and (gy is None or gy == y)
                                               for (gx, gy), (x, y) in zip(got, wanted))
        lab.point(same, f"{name}: {len(wanted)} touches of {n}, each at its place" +
                  ("" if same else f": {got[:5]}, not {wanted[:5]}"))
    lab.point(not any(right[kind].events() for kind in ("keyboard", "pointer", "rotary")),
              "no other device heard of them")


def killed_server_lets_go(lab, seat, left):
    seat.say(Sender.DOWN, 0, 300, 400)
    left.wait(1)
    lab.kill_shared_server("seat")
    got = left.wait(1)
    lab.point(got == touched(0, 0, 0)[1:], f"the server is killed amid a touch: the finger lifts by itself: {got}")
    lab.busbar("input", lab.system, "main", "touch", 10, 20)
    got = left.wait(2)
    lab.point(fingers_of(got) == [(10, 20)], f"and what is touched then arrives: {got}")


def restarted_guest_is_told_what_is_held(lab, seat, a, left):
    node = left.node
    seat.say(Sender.DOWN, 3, 20, 30)
    left.wait(1)
    a.restart()
    pressed = a.run(f"evtest --query /dev/input/{node} EV_KEY BTN_TOUCH")[0]
    lab.point(pressed == 10, f"a guest that restarted while it was touched knows the finger ({pressed})")
    again = Device(a, node)
    seat.say(Sender.UP, 3)
    got = again.wait(1)
    lab.point(got == [[(EV_ABS, TRACKING, -1), (EV_KEY, BTN_TOUCH, 0)]], f"and that it lifts: {got}")


def body(lab):
    a, b = bring_up(lab)
    left, right = kernel_finds_what_was_asked_for(lab, a, b)
    verb_reaches_the_right_device(lab, left, right)
    seat = Sender(next(lab.root.rglob("seat.sock")))
    every_touch_arrives_where_it_belongs(lab, seat, left, right)
    killed_server_lets_go(lab, seat, left)
    seat = Sender(next(lab.root.rglob("seat.sock")))
    restarted_guest_is_told_what_is_held(lab, seat, a, left)
    for machine in (a, b):
        errors = machine.must("dmesg | grep -ciE 'virtio.*(error|fail)|soft lockup' || true").strip()
        lab.point(errors == "0", f"{machine.name}: the kernel complained of nothing ({errors})")


if __name__ == "__main__":
    guest_lab.run_test("test-input", body, guest="display-test")
