# SPDX-License-Identifier: MPL-2.0
"""A kernel whose first instructions end the machine: what a monitor does until then is all there is to measure.

x86-64: an ELF file with a PVH entry, at which a triple fault shuts the CPU down. arm64: an Image that asks PSCI to
switch the system off. Both leave KVM for its user at that moment, and end any monitor.
"""
import struct

PVH_ENTRY_NOTE = 18
LOAD_AT = 0x1000000


def x86_64():
    """The 32-bit entry: lidt of six zero bytes, then int3, for which there is no handler, nor for that fault."""
    offset = 0x1000
    code = b'\x0f\x01\x1d' + struct.pack('<I', LOAD_AT + 16) + b'\xcc' + bytes(24)
    note = struct.pack('<III4sI', 4, 4, PVH_ENTRY_NOTE, b'Xen\0', LOAD_AT)
    note_at = 64 + 2 * 56
    load = struct.pack('<IIQQQQQQ', 1, 7, offset, LOAD_AT, LOAD_AT, len(code), len(code), 0x1000)
    notes = struct.pack('<IIQQQQQQ', 4, 4, note_at, 0, 0, len(note), len(note), 4)
    ident = b'\x7fELF\x02\x01\x01'.ljust(16, b'\0')
    head = ident + struct.pack('<HHIQQQIHHHHHH', 2, 62, 1, LOAD_AT, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    return (head + load + notes + note).ljust(offset, b'\0') + code


def aarch64():
    """A 64-byte header, whose first word branches over it; then PSCI's SYSTEM_OFF (0x84000008) by hvc."""
    branch, magic = 0x14000010, b'ARM\x64'
    code = struct.pack('<IIII', 0x52800100, 0x72B08000, 0xD4000002, 0x14000000)  # mov, movk, hvc, b .
    head = struct.pack('<IIQQQQQQ4sI', branch, 0xD503201F, 0, 0x1000, 0xA, 0, 0, 0, magic, 0)
    return (head + code).ljust(0x1000, b'\0')


def write(arch, path):
    with open(path, 'wb') as out:
        out.write({'amd64': x86_64, 'arm64': aarch64}[arch]())
