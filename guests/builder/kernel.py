# SPDX-License-Identifier: MPL-2.0
"""Debian's kernel package: the image in a form every loader takes, and modules with what they need."""

import gzip
import lzma
import pathlib
import struct
import subprocess

from . import BuildError
from .elf import Elf

ARM64_MAGIC = b"ARM\x64"


class Kernel:
    """An unpacked linux-image package."""

    def __init__(self, root):
        images = list(pathlib.Path(root).glob("boot/vmlinuz-*"))
        if len(images) != 1:
            raise BuildError("the kernel package holds %d kernels, expected one" % len(images))
        self.release = images[0].name[len("vmlinuz-"):]
        self._image = images[0]
        folders = [f for f in pathlib.Path(root).glob("**/lib/modules/" + self.release) if f.is_dir()]
        if not folders:
            raise BuildError("the kernel package holds no modules for %s" % self.release)
        self._paths = {_name(path): path for path in folders[0].glob("**/*.ko*")}
        self._builtin = {_name(pathlib.Path(line)) for line in (folders[0] / "modules.builtin").read_text().split()}

    def image(self, arch):
        """The bootable image: bzImage on amd64; on arm64 the plain Image, however it was packed."""
        data = self._image.read_bytes()
        return data if arch == "amd64" else plain_arm64(data)

    def unpacked_image(self, arch):
        """amd64's vmlinux, which starts a second sooner in software emulation; None where image() is plain."""
        return plain_amd64(self._image.read_bytes()) if arch == "amd64" else None

    def modules(self, names, already=()):
        """[(file name, bytes)] of modules `names` and all they depend on, in an order in which they load.

        Built-in ones and those in `already` are left out.
        """
        order, state = [], {}

        def visit(name, wanted_by):
            name = name.replace("-", "_")
            if name in self._builtin or name in already or state.get(name) == "done":
                return
            if state.get(name) == "open":
                raise BuildError("kernel modules depend on each other in a circle at %s" % name)
            if name not in self._paths:
                raise BuildError("the kernel %s has no module %s (wanted by %s)" % (self.release, name, wanted_by))
            state[name] = "open"
            data = unpacked(self._paths[name].read_bytes(), self._paths[name].suffix)
            elf = Elf.of(data)
            for other in ",".join(elf.module_info("depends")).split(","):
                if other:
                    visit(other, name)
            for other in _soft_before(elf):
                if other in self._paths:
                    visit(other, name)
            state[name] = "done"
            order.append((name + ".ko", data))

        for name in names:
            visit(name, "the recipe")
        return order


def _name(path):
    return path.name.split(".ko")[0].replace("-", "_")


def _soft_before(elf):
    """Names in the "pre:" part of a module's soft dependencies."""
    for line in elf.module_info("softdep"):
        words = line.split()
        if "pre:" in words:
            for word in words[words.index("pre:") + 1:]:
                if word.endswith(":"):
                    break
                yield word.replace("-", "_")


def unpacked(data, suffix):
    """A module's bytes without the compression that its file name's suffix tells."""
    if suffix == ".ko":
        return data
    if suffix == ".xz":
        return lzma.decompress(data)
    if suffix == ".gz":
        return gzip.decompress(data)
    if suffix == ".zst":
        return _zstd(data)
    raise BuildError("kernel modules are packed in an unknown way: %s" % suffix)


def plain_arm64(data):
    """The arm64 Image in `data`, which may be plain, gzip, or an EFI "zboot" program that holds it packed."""
    if data[:2] == b"MZ" and data[4:8] == b"zimg":
        offset, size = struct.unpack_from("<II", data, 8)
        packing = data[24:56].split(b"\0")[0].decode()
        payload = data[offset:offset + size]
        unpack = {"gzip": gzip.decompress, "xzkern": lzma.decompress, "lzma": lzma.decompress, "zstd": _zstd,
                  "zstd22": _zstd}.get(packing)
        if unpack is None:
            raise BuildError("the arm64 kernel is packed with '%s', which this builder cannot unpack" % packing)
        data = unpack(payload)
    elif data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[0x38:0x3C] != ARM64_MAGIC:
        raise BuildError("the arm64 kernel package holds no arm64 Image")
    return data


def plain_amd64(data):
    """The ELF file inside a bzImage (its header is described in Linux' Documentation/arch/x86/boot.rst)."""
    if data[0x202:0x206] != b"HdrS":
        raise BuildError("the amd64 kernel package holds no bzImage")
    offset, size = struct.unpack_from("<II", data, 0x248)
    start = ((data[0x1F1] or 4) + 1) * 512 + offset
    payload = data[start:start + size]
    for magic, unpack in ((b"\x28\xb5\x2f\xfd", _zstd), (b"\xfd7zXZ", lzma.decompress), (b"\x1f\x8b", gzip.decompress)):
        if payload.startswith(magic):
            # All but gzip are followed by the unpacked size in four bytes.
            plain = unpack(payload if unpack is gzip.decompress else payload[:-4])
            if Elf.of(plain):
                return plain
    raise BuildError("the amd64 kernel is packed in a way that this builder cannot unpack")


def _zstd(data):
    try:
        done = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=False)
    except FileNotFoundError:
        raise BuildError("zstd is not installed: tools/setup") from None
    if done.returncode != 0:
        raise BuildError("zstd cannot unpack part of the kernel package")
    return done.stdout
