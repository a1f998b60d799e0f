# SPDX-License-Identifier: MPL-2.0
"""A screen of a system as a test looks at it: screenshots, compared with what there should be."""

import time

import lab as guest_lab
from pictures import compose, difference, read_png

LIMIT_S = 120
BACKGROUND, FALLBACK = 0x101418, 0x301020


def up(lab, machines, displays, size, report):
    """Brings up a system with one screen, which has all of the displays.
    Return: the machines, connected, and the Screen."""
    fallback = {"colour": f"#{FALLBACK:06x}"}
    machines = lab.up(machines, screens={"main": {"size": list(size), "background": f"#{BACKGROUND:06x}"}},
                      displays={d: {**members, "screen": "main", "fallback": fallback}
                                for d, members in displays.items()})
    return [machine.connect() for machine in machines], Screen(lab, displays, size, report)


class Screen:
    """What up() brought up; `displays` as in the system file. Screenshots are kept in BUILD/reports/`report`."""

    def __init__(self, lab, displays, size, report):
        self.lab, self.displays, self.size = lab, displays, size
        self.folder = guest_lab.BUILD / "reports" / report
        self.folder.mkdir(parents=True, exist_ok=True)

    def shot(self, name):
        path = self.folder / (name + ".png")
        self.lab.busbar("screenshot", self.lab.system, "main", "--output", path)
        return read_png(path)

    def compose(self, pictures):
        return compose(self.displays, pictures, self.size, BACKGROUND)

    def shows(self, name, pictures, what):
        """A point: the screen shows this, at the latest after a while."""
        expected, last = self.compose(pictures), []

        def probe():
            last[:] = [difference(self.shot(name), expected)]
            return last[0] is None

        try:
            guest_lab.until(name, LIMIT_S, probe)
        except TimeoutError:
            pass
        return self.lab.point(last[0] is None, what + (f": at {last[0]}" if last[0] else ""))


def pause_amid_frames(lab, name, frames, n):
    """A point: a guest that draws frame after frame is paused, and its next `n` frames come when it is resumed."""
    lab.busbar("pause", name)
    lab.busbar("resume", name)
    resumed = time.monotonic()

    def later():
        return [at for at in frames.changes(name) if at > resumed]

    try:
        guest_lab.until("frames after a pause", LIMIT_S, lambda: len(later()) >= n)
    except TimeoutError:
        pass
    came = later()
    what = f"the next came after {1000 * (came[0] - resumed):.0f} ms" if came else "none came"
    lab.point(len(came) >= n, f"a guest is paused amid its frames, and its frames go on when it is resumed: {what}")
