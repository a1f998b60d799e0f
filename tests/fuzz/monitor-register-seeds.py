#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Writes the corpus of fuzz-monitor-registers: drivers that do it right, and then something else.

usage: tests/fuzz/monitor-register-seeds.py            (into tests/fuzz/corpus/, whose files are kept with the sources)
"""
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
CONFIG, BRIDGE, COMMON, ISR, DEVICE, NOTIFY, TABLE, PENDING, MMIO, WINDOW, ECAM, BAR, RAM = range(13)
LOOP, KICK, DISCONNECT, POKE, VM_FAILS = range(16, 21)
RINGS = 1 << 20  # test-machine.c: RINGS_FROM, plus where RAM begins on x86-64
WIDTHS = {1: 0, 2: 1, 4: 2, 8: 3}


def write(where, offset, value, n=4):
    head = struct.pack("<BH", where << 3 | 4 | WIDTHS[n], offset & 0xffff)
    return head + (value & (1 << 8 * n) - 1).to_bytes(n, "little")


def read(where, offset, n=4):
    return struct.pack("<BH", where << 3 | WIDTHS[n], offset)


def event(what):
    return struct.pack("<BH", what << 3, 0)


def poke(at, value):
    return write(POKE, at // 8, value, 8)


def request(text=b"hello"):
    """One chain in queue 0, whose rings lie at 0, 0x400 and 0x800; its buffers at 0x1000 and 0x1800."""
    return (poke(0, RINGS + 0x1000) + poke(8, len(text) | 1 << 32 | 1 << 48) +
            poke(16, RINGS + 0x1800) + poke(24, 64 | 2 << 32) +
            poke(0x1000, int.from_bytes(text.ljust(8, b"\0"), "little")) + poke(0x400, 1 << 16))


class Pci:
    byte = b"\0"
    common = {"dsel": (0, 4), "dfeat": (4, 4), "gsel": (8, 4), "gfeat": (12, 4), "config_vector": (16, 2),
              "status": (20, 1), "queue": (22, 2), "size": (24, 2), "vector": (26, 2), "enable": (28, 2),
              "desc": (32, 4), "avail": (40, 4), "used": (48, 4), "reset": (58, 2)}

    def set(self, name, value):
        at, n = self.common[name]
        out = write(COMMON, at, value, n)
        return out + write(COMMON, at + 4, value >> 32, 4) if name in ("desc", "avail", "used") else out

    def notify(self, queue=0):
        return write(NOTIFY, 4 * queue, queue, 2)


class Mmio:
    byte = b"\1"
    registers = {"dsel": 0x14, "dfeat": 0x10, "gsel": 0x24, "gfeat": 0x20, "status": 0x70, "queue": 0x30, "size": 0x38,
                 "enable": 0x44, "desc": 0x80, "avail": 0x90, "used": 0xa0, "reset": 0xc0}

    def set(self, name, value):
        at = self.registers.get(name)
        if at is None:
            return b""
        out = write(MMIO, at, value)
        return out + write(MMIO, at + 4, value >> 32) if name in ("desc", "avail", "used") else out

    def notify(self, queue=0):
        return write(MMIO, 0x50, queue)


def negotiate(t, features=1 << 32 | 1 << 28 | 1 << 40):
    return (t.set("status", 1) + t.set("status", 3) + t.set("gsel", 0) + t.set("gfeat", features) + t.set("gsel", 1) +
            t.set("gfeat", features >> 32) + t.set("status", 11))


def queue(t, index=0, size=64, at=RINGS):
    return (t.set("queue", index) + t.set("size", size) + t.set("desc", at) + t.set("avail", at + 0x400) +
            t.set("used", at + 0x800) + t.set("vector", index) + t.set("enable", 1))


def start(t):
    return negotiate(t) + queue(t) + t.set("status", 15)


def seeds(t):
    kick = request() + event(KICK) + event(LOOP)
    yield "start", start(t) + kick
    yield "notify-register", start(t) + request() + t.notify() + event(LOOP)
    yield "again", start(t) + kick + t.set("status", 0) + start(t) + kick
    yield "breaks", start(t) + request(b"B") + event(KICK) + event(LOOP) + event(LOOP)
    yield "held", start(t) + request(b"H") + event(KICK) + t.set("status", 0)
    yield "config-changes", start(t) + request(b"C") + event(KICK) + event(LOOP) + event(LOOP)
    yield "queue-reset", start(t) + kick + t.set("reset", 1) + queue(t, 0, 32) + kick
    yield "server-gone", start(t) + event(DISCONNECT) + event(LOOP) + event(LOOP) + kick
    yield "two-queues", negotiate(t) + queue(t) + queue(t, 1, 16, RINGS + 0x2000) + t.set("status", 15) + kick
    yield "nowhere", negotiate(t) + queue(t, 0, 64, (1 << 64) - 4096) + t.set("status", 15) + event(LOOP)
    yield "no-kvm", event(VM_FAILS) + start(t) + kick
    yield "select", t.set("queue", 0xffff) + t.set("size", 8) + t.set("enable", 1) + t.notify(0xffff)
    yield "config", (read(DEVICE, 0) + read(DEVICE, 8, 8) + write(DEVICE, 0, 77) + write(DEVICE, 8, 1, 2)
                     + read(DEVICE, 0xffc, 8))
    yield "not-offered", negotiate(t, (1 << 64) - 1)


def pci_seeds(t):
    vectors = write(CONFIG, 0x42, 0x8000, 2) + b"".join(
        write(TABLE, 16 * i, 0xfee00000) + write(TABLE, 16 * i + 8, i) + write(TABLE, 16 * i + 12, 0) for i in range(3))
    yield "vectors", vectors + start(t) + t.set("config_vector", 2) + request() + event(KICK) + write(TABLE, 12, 1)
    yield "tables", (read(TABLE, 0) + read(TABLE, 8, 8) + read(PENDING, 0, 8) + read(TABLE, 0x7ff8, 8) + vectors
                     + read(TABLE, 20))
    yield "bar-moves", (start(t) + write(CONFIG, 0x10, 0xc0400000) + read(BAR, 20, 1) + event(KICK)
                        + write(CONFIG, 4, 0, 2))
    yield "bar-on-ecam", write(CONFIG, 0x10, 0xe0000000) + read(CONFIG, 0) + read(BRIDGE, 0) + start(t)
    yield "bar-sizing", write(CONFIG, 0x10, 0xffffffff) + read(CONFIG, 0x10) + write(BRIDGE, 0x10, 0xffffffff)
    for at in range(0x40, 0x100, 4):
        if at in (0x40, 0x4c, 0x5c, 0x6c, 0x7c, 0x8c, 0x90, 0xa0):
            yield f"window-{at:x}", write(CONFIG, at + 8, 20) + write(CONFIG, at + 12, 1) + read(CONFIG, at + 16, 1) + \
                write(CONFIG, at + 16, 15, 1) + write(CONFIG, at + 8, 0xfffffffc)
    yield "around", read(WINDOW, 3) + read(ECAM, 0xffff) + read(RAM, 0x7ff, 8) + write(RAM, 0, 1, 8) + read(ISR, 0, 1)


folder = HERE / "corpus" / "monitor-registers"
folder.mkdir(parents=True, exist_ok=True)
for transport in (Pci(), Mmio()):
    name_of = type(transport).__name__.lower()
    for name, data in seeds(transport):
        goes = 2 if name == "server-gone" else 0
        (folder / f"{name_of}-{name}").write_bytes(bytes([transport.byte[0] | goes]) + data)
for name, data in pci_seeds(Pci()):
    (folder / f"pci-{name}").write_bytes(Pci.byte + data)
