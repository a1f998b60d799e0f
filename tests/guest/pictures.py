# SPDX-License-Identifier: MPL-2.0
"""Pictures as rows of 0xrrggbb: modetest's patterns, what composition makes of them, PNG files, frames of a screen.

None is a pixel that is not looked at: where scaling smooths an edge.
"""

import fcntl
import json
import os
import pathlib
import socket
import struct
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples/cockpit"))
sys.dont_write_bytecode = True

import picture as png  # noqa: E402

FRAME_HEADER = struct.Struct("=8sIIIIQ")  # src/display/writer.h
F_SETPIPE_SZ = 1031


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


def fitted(picture, width, height):
    """Size of a picture as large as it gets in a region, its proportions kept."""
    w, h = len(picture[0]), len(picture)
    if w * height <= h * width:
        return (w * height + h // 2) // h, height
    return width, (h * width + w // 2) // w


def scaled(picture, width, height):
    """Whole multiples are sharp; the rest is smooth, and looked at inside of areas of one colour."""
    w, h = len(picture[0]), len(picture)
    if width % w == 0 and height % h == 0:
        return [[value for value in row for _ in range(width // w)] for row in picture for _ in range(height // h)]

    def near(at, size, target):
        middle = ((2 * at + 1) * size - target) // (2 * target)
        return range(max(middle - 1, 0), min(middle + 3, size))

    columns = [near(x, w, width) for x in range(width)]
    rows = []
    for y in range(height):
        lines = [picture[i] for i in near(y, h, height)]
        values = [{line[i] for line in lines for i in c} for c in columns]
        rows.append([v.pop() if len(v) == 1 else None for v in values])
    return rows


def compose(displays, pictures, size, background):
    """Rows of the whole screen; `displays` as in a system file."""
    rows = [[background] * size[0] for _ in range(size[1])]
    for name in sorted(pictures, key=lambda d: displays[d].get("order", 0)):
        x, y, width, height = displays[name]["region"]
        picture = pictures[name]
        w, h = len(picture[0]), len(picture)
        scaling = displays[name].get("scaling", "none")
        if scaling != "none":
            w, h = fitted(picture, width, height) if scaling == "fit" else (width, height)
            picture = scaled(picture, w, h)
        for row in rows[y:y + height]:
            row[x:x + width] = [background] * width
        left, top = x, y
        if scaling == "fit":
            left, top = x + (width - w) // 2, y + (height - h) // 2
        for i, row in enumerate(picture):
            rows[top + i][left:left + w] = row
    return rows


def difference(rows, expected):
    """The first pixel that is not as expected; None if there is none."""
    for y, (row, right) in enumerate(zip(rows, expected)):
        if row != right:
            for x, (a, b) in enumerate(zip(row, right)):
                if b is not None and a != b:
                    return x, y, f"{a:06x} instead of {b:06x}"
    return None


def read_png(path):
    width, height, pixels = png.read(path)
    values = [int.from_bytes(pixels[i:i + 3], "big") for i in range(0, len(pixels), 3)]
    return [values[y * width:(y + 1) * width] for y in range(height)]


class Control:
    """The control socket of a display server."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))

    def ask(self, request, fd=None):
        fds = [] if fd is None else [fd]
        socket.send_fds(self.socket, [json.dumps(request).encode() + b"\n"], fds)
        answer = json.loads(self.socket.makefile().readline())
        assert "error" not in answer, answer
        return answer

    def close(self):
        self.socket.close()


class Frames:
    """The frames of a screen as they are composed: of each its time in seconds and some of its pixels,
    {name: (x, y)}."""

    def __init__(self, path, screen, pixels):
        self.control, self.pixels, self.seen = Control(path), pixels, []
        self.reader, writer = os.pipe()
        fcntl.fcntl(self.reader, F_SETPIPE_SZ, 1 << 20)
        self.control.ask({"dump": screen}, writer)
        os.close(writer)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        with os.fdopen(self.reader, "rb") as source:
            while len(header := source.read(FRAME_HEADER.size)) == FRAME_HEADER.size:
                _, width, height, _, _, time_ns = FRAME_HEADER.unpack(header)
                data = source.read(width * height * 4)
                if len(data) == width * height * 4:
                    found = {name: struct.unpack_from("=I", data, 4 * (y * width + x))[0] & 0xffffff
                             for name, (x, y) in self.pixels.items()}
                    self.seen.append((time_ns / 1e9, found))

    def changes(self, name):
        """Times of the frames in which that pixel was another than in the one before."""
        seen = list(self.seen)
        return [new[0] for old, new in zip(seen, seen[1:]) if old[1][name] != new[1][name]]

    def close(self):
        self.control.close()
        self.thread.join(30)
