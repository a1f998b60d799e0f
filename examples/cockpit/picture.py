# SPDX-License-Identifier: MPL-2.0
"""PNG files as pixels: 8-bit RGB and RGBA without interlace, which is what Busbar writes and the covers are."""

import collections
import struct
import zlib

Picture = collections.namedtuple("Picture", "width height pixels")  # pixels: rows of RGB


def read(path):
    data = path.read_bytes()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("%s is no PNG" % path)
    packed, at = b"", 8
    width = height = depth = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, bits, colours, _, _, interlace = struct.unpack(">IIBBBBB", body)
            if bits != 8 or colours not in (2, 6) or interlace:
                raise ValueError("%s is a PNG of another kind" % path)
            depth = 3 if colours == 2 else 4
        elif kind == b"IDAT":
            packed += body
        at += size + 12
    rows = _rows(zlib.decompress(packed), width * depth, height, depth)
    if depth == 4:
        for row in rows:
            del row[3::4]
    return Picture(width, height, b"".join(rows))


def cut(picture, box):
    """The pixels of a rectangle (x, y, width, height)."""
    x, y, width, height = box
    stride = picture.width * 3
    return b"".join(picture.pixels[row * stride + x * 3:row * stride + (x + width) * 3] for row in range(y, y + height))


def _rows(data, size, height, depth):
    """Undoes the filter of each row."""
    rows, above = [], bytearray(size)
    for i in range(height):
        kind = data[i * (size + 1)]
        row = bytearray(data[i * (size + 1) + 1:(i + 1) * (size + 1)])
        if kind == 1:
            for k in range(depth, size):
                row[k] = (row[k] + row[k - depth]) & 255
        elif kind == 2:
            row = bytearray((a + b) & 255 for a, b in zip(row, above))
        elif kind == 3:
            for k in range(size):
                left = row[k - depth] if k >= depth else 0
                row[k] = (row[k] + (left + above[k] >> 1)) & 255
        elif kind == 4:
            _undo_paeth(row, above, depth)
        rows.append(row)
        above = row
    return rows


def _undo_paeth(row, above, depth):
    for k in range(depth):
        row[k] = (row[k] + above[k]) & 255
    for k in range(depth, len(row)):
        left, up, corner = row[k - depth], above[k], above[k - depth]
        guess = left + up - corner
        to_left, to_up, to_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
        if to_left <= to_up and to_left <= to_corner:
            best = left
        else:
            best = up if to_up <= to_corner else corner
        row[k] = (row[k] + best) & 255
