# SPDX-License-Identifier: MPL-2.0
"""The folder that becomes a guest's file system: unpacks packages and keeps what the guest needs."""

import fnmatch
import os
import pathlib
import re
import shutil
import subprocess

from . import BuildError
from .elf import Elf

FOLDERS = ("dev", "proc", "sys", "run", "tmp", "root", "mnt", "etc", "var", "usr/bin", "usr/sbin", "usr/lib",
           "usr/lib64")
MERGED = ("bin", "sbin", "lib", "lib64")
NEVER = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian", "usr/share/bug")


def prepare(root):
    """Lays out an empty, usr-merged file system."""
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in MERGED:
        (root / name).symlink_to("usr/" + name)


def unpack(deb, root):
    """Unpacks one package, without its documentation and without regard to owners."""
    read = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE)
    write = subprocess.run(["tar", "-x", "-C", str(root), "--keep-directory-symlink", "--no-same-owner",
                            *("--exclude=./" + name for name in NEVER)], stdin=read.stdout, check=False)
    read.stdout.close()
    if read.wait() != 0 or write.returncode != 0:
        raise BuildError("cannot unpack %s: is the disk full?" % deb)


def copy_files(source, root):
    """Copies a recipe's files onto the tree, following its usr-merge links."""
    for folder, _, files in os.walk(source):
        inner = pathlib.Path(os.path.relpath(folder, source))
        (root / inner).mkdir(parents=True, exist_ok=True)
        for name in files:
            target = root / inner / name
            target.unlink(missing_ok=True)
            shutil.copy(os.path.join(folder, name), target)


def keep_only(source, target, patterns):
    """Copies to `target` the files of `source` that match, and every shared object they need."""
    files = _listing(source)
    libraries = {path.rsplit("/", 1)[1]: path for path in sorted(files, reverse=True)
                 if path.startswith("usr/lib") and ".so" in path}
    waiting, done = [], set()
    for pattern in patterns:
        wanted = _merged(pattern.lstrip("/"))
        found = [path for path in files if fnmatch.fnmatchcase(path, wanted)]
        if not found:
            raise BuildError("no package of the recipe holds '%s'" % pattern)
        waiting += found
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        done.add(path)
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        if (source / path).is_symlink():
            link = os.readlink(source / path)
            (target / path).symlink_to(link)
            pointed = link.lstrip("/") if link.startswith("/") else os.path.join(os.path.dirname(path), link)
            pointed = _merged(os.path.normpath(pointed))
            if pointed in files:
                waiting.append(pointed)
            continue
        shutil.copy(source / path, target / path)
        for name in needed(source / path):
            if name.startswith("/"):
                libraries[name] = _merged(name.lstrip("/"))
            if libraries.get(name) not in files:
                raise BuildError("%s needs %s, which no package of the recipe holds (see 'without')" % (path, name))
            waiting.append(libraries[name])


def needed(path):
    """What the ELF file at `path` is linked with; nothing for other files."""
    elf = Elf.of(path.read_bytes())
    return elf.needed() if elf else []


def link_applets(root, names):
    """Links busybox's applets, all of them or those in the list `names`, where no program has that name."""
    busybox = root / "usr/bin/busybox"
    if not busybox.exists():
        raise BuildError("'applets' needs the package busybox-static")
    known = applets(busybox.read_bytes())
    for name in known if names == "all" else names:
        if name not in known:
            raise BuildError("busybox has no applet '%s'" % name)
        if not any(os.path.lexists(root / folder / name) for folder in ("usr/bin", "usr/sbin")):
            (root / "usr/bin" / name).symlink_to("busybox")


def applets(binary):
    """Applet names out of busybox's own table: sorted words, each ended by a zero byte."""
    table = re.search(rb"\[\0\[\[\0(?:[a-z0-9_.\-]+\0)+", binary)
    if not table:
        raise BuildError("busybox-static holds no table of applets that this builder knows")
    return [word.decode() for word in table.group().split(b"\0") if word]


def install_modules(root, modules):
    """Puts modules under /lib/modules, and their load order into /lib/modules/order."""
    folder = root / "usr/lib/modules"
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in modules:
        (folder / name).write_bytes(data)
    (folder / "order").write_text("".join(name + "\n" for name, _ in modules))


def make_movable(root):
    """Lets absolute symbolic links of the tree point into it wherever it lies."""
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            if os.path.islink(path) and os.readlink(path).startswith("/"):
                target = os.path.relpath(str(root) + os.readlink(path), folder)
                os.unlink(path)
                os.symlink(target, path)


def _listing(root):
    """{relative path} of all files and symbolic links."""
    found = set()
    for folder, folders, files in os.walk(root):
        inner = os.path.relpath(folder, root)
        for name in files + [f for f in folders if os.path.islink(os.path.join(folder, f))]:
            found.add(name if inner == "." else inner + "/" + name)
    return found


def _merged(path):
    return "usr/" + path if path.split("/")[0] in MERGED else path
