# SPDX-License-Identifier: MPL-2.0
"""Writes the "newc" cpio archives that the kernel unpacks at boot.

Everything belongs to root and carries time 0, whoever builds, so equal input gives equal archives;
device nodes need no privilege because they exist in the archive only.
"""

import os
import stat


class Archive:
    """Collects entries in memory; parents must be added before what is in them."""

    def __init__(self):
        self._parts = []
        self._inode = 0
        self._known = set()

    def folder(self, name):
        """Adds `name` and the folders above it, once each."""
        parts = name.split("/")
        for i in range(1, len(parts) + 1):
            path = "/".join(parts[:i])
            if path not in self._known:
                self._entry(path, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        self._parent(name)
        self._entry(name, stat.S_IFREG | mode, data)

    def symlink(self, name, target):
        self._parent(name)
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name, major, minor, mode=0o600):
        self._parent(name)
        self._entry(name, stat.S_IFCHR | mode, device=(major, minor))

    def tree(self, root):
        """Adds everything below the folder `root`, in a stable order."""
        for folder, folders, files in os.walk(root):
            folders.sort()
            where = os.path.relpath(folder, root)
            for name in sorted(files + folders):
                path = os.path.join(folder, name)
                inner = name if where == "." else "%s/%s" % (where, name)
                if os.path.islink(path):
                    self.symlink(inner, os.readlink(path))
                elif os.path.isdir(path):
                    self.folder(inner)
                else:
                    with open(path, "rb") as file:
                        self.file(inner, file.read(), 0o755 if os.access(path, os.X_OK) else 0o644)

    def finish(self):
        """The whole archive, ended by its trailer."""
        self._entry("TRAILER!!!", 0)
        return b"".join(self._parts)

    def _parent(self, name):
        if "/" in name:
            self.folder(name.rsplit("/", 1)[0])

    def _entry(self, name, mode, data=b"", device=(0, 0)):
        self._inode += 1
        self._known.add(name)
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (self._inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(name.encode()) + 1, 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        self._parts.append(_padded(header))
        self._parts.append(_padded(data))


def _padded(data):
    return data + bytes(-len(data) % 4)
