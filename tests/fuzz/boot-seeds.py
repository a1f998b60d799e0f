#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Writes the corpora of fuzz-boot-bzimage, -boot-pvh, -boot-load, -boot-image and fuzz-device-tree: small files that
are right, and some that nearly are. Needs dtc and zstd.

usage: tests/fuzz/boot-seeds.py            (into tests/fuzz/corpus/, whose files are kept with the sources)
"""
import gzip
import pathlib
import struct
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
WHOLE, SHORTER = b"\0", b"\1"  # boot.h


def write(corpus, name, data):
    folder = HERE / "corpus" / corpus
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def bzimage(sects=1, version=0x20f, flags=1, xflags=1, at=0x100000, init=0x10000, jump=0x6a, size=1200):
    data = bytearray(size)
    struct.pack_into("<B", data, 0x1f1, sects)
    struct.pack_into("<HBB4sH", data, 0x1fe, 0xaa55, 0xeb, jump, b"HdrS", version)
    struct.pack_into("<B", data, 0x211, flags)
    struct.pack_into("<IIBBH", data, 0x22c, 0x7fffffff, 0x200000, 1, 21, xflags)
    struct.pack_into("<I", data, 0x238, 2047)
    struct.pack_into("<QI", data, 0x258, at, init)
    return bytes(data[:max(size, sects * 512 + 512)]) + bytes(0x300)


def elf(segments, note=b"", entry_note=True, machine=62, phentsize=56, phnum=None):
    """segments: (type, offset, paddr, filesz, memsz)"""
    if entry_note:
        note += struct.pack("<III4sI", 4, 4, 18, b"Xen", 0x100040)
    note_at = 64 + 56 * (len(segments) + 1)
    data = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, machine, 1, 0, 64, 0, 0, 64, phentsize,
                       len(segments) + 1 if phnum is None else phnum, 0, 0, 0)
    for kind, offset, paddr, filesz, memsz in segments:
        data += struct.pack("<IIQQQQQQ", kind, 7, offset, paddr, paddr, filesz, memsz, 4096)
    data += struct.pack("<IIQQQQQQ", 4, 4, note_at, 0, 0, len(note), len(note), 4)
    return data + note + b"\xf4" * 64


def image(size=256, text_offset=0, image_size=4096, flags=0xa, magic=b"ARM\x64"):
    header = struct.pack("<IIQQQQQQ4sI", 0x14000010, 0, text_offset, image_size, flags, 0, 0, 0, magic, 0)
    return header.ljust(size, b"\x1f")


def zboot(payload, kind, offset=64, n=None):
    return struct.pack("<4s4sIIII32sII", b"MZ\0\0", b"zimg", offset, len(payload) if n is None else n, 0, 0, kind,
                       0x818223cd, 64) + payload


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def overlay(text):
    return subprocess.run(["dtc", "-@", "-f", "-q", "-q", "-I", "dts", "-O", "dtb"], input=text.encode(),
                          capture_output=True, check=True).stdout


def write_x86():
    good = bzimage()
    seeds = {"good": good, "cut-in-header": good[:0x210], "cut-before-entry": good[:1025],
             "old": bzimage(version=0x20b),
             "no-entry": bzimage(xflags=0), "low": bzimage(at=0x1000), "high": bzimage(at=0xfffff000),
             "wide": bzimage(at=1 << 63), "init-size": bzimage(init=0xffffffff),
             "no-sects": bzimage(sects=0, size=3000),
             "sects": bzimage(sects=255, size=140000), "jump": bzimage(jump=0xff), "zimage": bzimage(flags=0)}
    for name, data in seeds.items():
        write("boot-bzimage", name, WHOLE + data)
    write("boot-bzimage", "shorter", SHORTER + good)

    load = (1, 0, 0x100000, 200, 8192)
    seeds = {"good": elf([load]), "two": elf([load, (1, 64, 0x200000, 32, 32)]),
             "no-entry": elf([load], entry_note=False),
             "low": elf([(1, 0, 0, 16, 16)]), "high": elf([(1, 0, 0x7ff000, 16, 0x1001)]),
             "wraps": elf([(1, 0, 2**64 - 16, 32, 32)]), "file-larger": elf([(1, 0, 0x100000, 64, 32)]),
             "offset": elf([(1, 2**63, 0x100000, 64, 64)]), "no-bytes": elf([(1, 0, 0, 0, 0)]),
             "notes": elf([load], note=struct.pack("<III", 0xffffffff, 0xffffffff, 18)),
             "other-note": elf([load], note=struct.pack("<III4s", 4, 0, 1, b"GNU")), "arm": elf([load], machine=183),
             "phentsize": elf([load], phentsize=8), "phnum": elf([load], phnum=65535), "cut": elf([load])[:150]}
    for name, data in seeds.items():
        write("boot-pvh", name, WHOLE + data)
    write("boot-pvh", "shorter", SHORTER + elf([load]))


def write_load():
    """memory (2 MiB each more), CPUs, characters of parameters, bytes of initrd: fuzz-boot-load.c"""
    kernels = {"bzimage": bzimage(), "pvh": elf([(1, 0, 0x100000, 200, 8192)]),
               "high": bzimage(at=0x400000, init=0x300000)}
    for name, kernel in kernels.items():
        for memory, cpus, parameters, initrd in ((3, 0, 10, 5000), (0, 63, 2047, 0), (3, 1, 2048, 0x600000),
                                                 (0, 0, 0, 0x100001),
                                                 (1, 0, 65535, 1), (2, 3, 0, 0xffffffff), (3, 0, 0, 0x2ff000)):
            write("boot-load", f"{name}-{memory}-{parameters}-{initrd:x}",
                  struct.pack("<BBHI", memory, cpus, parameters, initrd) + kernel)


def write_arm():
    good = image()
    seeds = {"good": good, "old": image(image_size=0), "offset": image(text_offset=0x80000),
             "big-endian": image(flags=1),
             "far": image(text_offset=1 << 63), "large": image(image_size=2**64 - 1), "small": image(image_size=10),
             "cut": good[:60], "gzip": gzip.compress(good, mtime=0), "gzip-cut": gzip.compress(good, mtime=0)[:-10],
             "gzip-offset": gzip.compress(image(text_offset=0x1000), mtime=0),
             "gzip-large": gzip.compress(bytes(9 << 20), mtime=0), "gzip-short": gzip.compress(b"ARM", mtime=0),
             "zboot-gzip": zboot(gzip.compress(good, mtime=0), b"gzip"), "zboot-zstd": zboot(zstd(good), b"zstd"),
             "zboot-large": zboot(zstd(bytes(9 << 20)), b"zstd"), "zboot-lzma": zboot(b"\0" * 32, b"lzma"),
             "zboot-offset": zboot(zstd(good), b"zstd", offset=0xffffffff), "zboot-none": zboot(b"", b"gzip"),
             "zboot-n": zboot(zstd(good), b"zstd", n=0xffffffff)}
    for name, data in seeds.items():
        write("boot-image", name, WHOLE + data)
    write("boot-image", "shorter", SHORTER + good)
    write("boot-image", "gzip-shorter", SHORTER + gzip.compress(good, mtime=0)[:-10])


def write_overlays():
    head = "/dts-v1/; /plugin/;"
    seeds = {
        "path": head + '/ { fragment@0 { target-path = "/chosen"; __overlay__ { answer = "yes"; }; }; };',
        "symbol": head + '&chosen { answer = <1 2 3>; child { deep { deeper { name = "x"; }; }; }; };',
        "phandle": head + "&gic { mine: mine { phandle-of = <&mine>; clocks = <&clock 0 &clock>; }; };",
        "root": head + '/ { fragment@0 { target-path = "/"; __overlay__ { #address-cells = <2>; '
                       'soc { a = <0>; }; }; }; };',
        "nobody": head + '/ { fragment@0 { target-path = "/nobody"; __overlay__ { }; }; };',
        "unknown": head + "&nothing { a; };",
        "two": head + '&chosen { a; }; &pcie { dev@1 { reg = <0x800 0 0 0 0>; }; };',
        "local": head + '/ { fragment@0 { target-path = "/"; __overlay__ { a: a { }; b { ref = <&a>, <&a>; }; }; }; };',
    }
    for name, text in seeds.items():
        write("device-tree", name, overlay(text))
    good = overlay(seeds["symbol"])
    write("device-tree", "cut", good[:-7])
    write("device-tree", "total", good[:4] + struct.pack(">I", 0xffffffff) + good[8:])


write_x86()
write_load()
write_arm()
write_overlays()
