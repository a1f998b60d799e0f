# SPDX-License-Identifier: MPL-2.0
"""Turns a folder into an initramfs, squashfs or ext4 image that belongs to root."""

import gzip
import lzma
import os
import subprocess

from . import BuildError, cpio


def write_initramfs(root, path, compression):
    """The kernel starts /init of it. /dev/console is there before devtmpfs is."""
    archive = cpio.Archive()
    archive.folder("dev")
    archive.character_device("dev/console", 5, 1)
    archive.tree(root)
    data = archive.finish()
    if compression == "gzip":
        data = gzip.compress(data, 9, mtime=0)
    elif compression == "xz":
        data = lzma.compress(data, check=lzma.CHECK_CRC32)
    elif compression == "lz4":
        data = _tool(["lz4", "-l", "-12", "-c"], data)  # -l: the format that the kernel knows
    elif compression == "zstd":
        data = _tool(["zstd", "-19", "-q", "-c"], data)
    path.write_bytes(data)


def write_squashfs(root, path, compression):
    path.unlink(missing_ok=True)
    _tool(["mksquashfs", str(root), str(path), "-all-root", "-comp", compression, "-b", "128K", "-no-progress",
           "-quiet", "-all-time", "0", "-mkfs-time", "0"] + (["-Xhc"] if compression == "lz4" else []))


def write_ext4(root, path, size_mib, label):
    path.unlink(missing_ok=True)
    # mke2fs copies owners from the folder; fakeroot makes an ordinary user's files root's.
    fake = [] if os.geteuid() == 0 else ["fakeroot"]
    _tool(fake + ["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-L", label[:16], "-d", str(root), str(path),
                  "%dM" % size_mib])


def _tool(command, data=None):
    environment = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    environment.pop("SOURCE_DATE_EPOCH", None)
    try:
        done = subprocess.run(command, input=data, capture_output=True, env=environment, check=False)
    except FileNotFoundError:
        raise BuildError("%s is not installed: tools/setup" % command[0]) from None
    if done.returncode != 0:
        raise BuildError("%s failed: %s" % (command[0], done.stderr.decode(errors="replace").strip()))
    return done.stdout
