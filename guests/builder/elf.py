# SPDX-License-Identifier: MPL-2.0
"""Just enough of 64-bit little-endian ELF: what a program needs to run, what a kernel module needs to load."""

import struct

DT_NEEDED = 1


class Elf:
    """One file's sections by name; `Elf.of(data)` is None if it is no such ELF file."""

    def __init__(self, data):
        self.data = data
        table, = struct.unpack_from("<Q", data, 0x28)
        size, count, names = struct.unpack_from("<HHH", data, 0x3A)
        headers = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
        text = data[headers[names][4]:][:headers[names][5]] if count else b""
        self.sections = {}
        for name, kind, _, _, offset, length in headers:
            if kind != 8:  # SHT_NOBITS has no bytes in the file
                self.sections[text[name:text.index(b"\0", name)].decode()] = data[offset:offset + length]

    @classmethod
    def of(cls, data):
        return cls(data) if data[:6] == b"\x7fELF\x02\x01" and len(data) >= 64 else None

    def needed(self):
        """File names of the shared objects this one is linked with, and the absolute path of its loader."""
        strings = self.sections.get(".dynstr", b"")
        names = []
        for tag, value in struct.iter_unpack("<QQ", self.sections.get(".dynamic", b"")):
            if tag == DT_NEEDED:
                names.append(strings[value:strings.index(b"\0", value)].decode())
        loader = self.sections.get(".interp", b"").rstrip(b"\0").decode()
        return names + ([loader] if loader else [])

    def module_info(self, key):
        """Values of `key` in a kernel module's .modinfo, e.g. depends, softdep."""
        prefix = key.encode() + b"="
        entries = self.sections.get(".modinfo", b"").split(b"\0")
        return [entry[len(prefix):].decode() for entry in entries if entry.startswith(prefix)]
