# SPDX-License-Identifier: MPL-2.0
"""Recipes: `<name>/recipe.json` and the folder `<name>/files` that is copied onto the image."""

import fnmatch
import hashlib
import json
import pathlib
import re

from . import BuildError, program, sources

FOLDER = pathlib.Path(__file__).resolve().parent.parent
ARCHES = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
COMPRESSION = {"initramfs": ("none", "gzip", "lz4", "zstd", "xz"), "squashfs": ("gzip", "lz4", "zstd", "xz"),
               "ext4": ("none",), "folder": ("none",)}

MEMBERS = {
    "description": str,   # one line
    "image": dict,        # {"kind": initramfs|squashfs|ext4|folder, "compression": ..., "size": MiB (ext4)}
    "like": str,          # another folder beside the recipe's, whose files are copied before this one's own
    "boot": str,          # disks: the initramfs recipe whose kernel and initrd start this one
    "kernel": str,        # initramfs: kernel metapackage without its "-amd64", "-arm64"
    "modules": list,      # kernel modules, loaded in this order (what they depend on comes by itself)
    "packages": list,     # Debian packages; NAME/backports takes one from where the kernel comes from
    "programs": dict,     # our own: {name: {"sources": [...], "headers": [...], "libraries": [...]}}, see program.py
    "headers": list,      # Debian packages that the programs are compiled with, without what they depend on
    "without": list,      # patterns of packages that are not taken even if others depend on them
    "keep": list,         # patterns of files; if given only these and the libraries they need are taken
    "applets": (str, list),  # links to busybox: "all", or names
}


# Words of the lists "modules", "packages" and "keep" may end so; they then count for this architecture only.
ONLY_FOR = re.compile(r"(.*\S) \[(%s)\]$" % "|".join(ARCHES))


class Recipe:
    """A checked recipe as it is for one architecture; members are attributes, absent ones empty."""

    def __init__(self, name, arch):
        self.name = name
        self.folder = FOLDER / name
        path = self.folder / "recipe.json"
        if "/" in name or not path.is_file():
            raise BuildError("no recipe '%s'; there are: %s" % (name, ", ".join(all_names())))
        try:
            data = json.loads(path.read_text())
        except ValueError as error:
            raise BuildError("%s: %s" % (path, error)) from None
        if not isinstance(data, dict):
            raise BuildError("%s: expected an object" % path)
        for member, value in data.items():
            if member not in MEMBERS:
                raise BuildError("%s: unknown member '%s'; known are %s" % (path, member, ", ".join(MEMBERS)))
            if not isinstance(value, MEMBERS[member]):
                raise BuildError("%s: member '%s' has the wrong type" % (path, member))
        self.description = data.get("description", "")
        self.like = data.get("like")
        if self.like and not (FOLDER / self.like / "files").is_dir():
            raise BuildError("%s: 'like' names the folder '%s', which has no files" % (path, self.like))
        self.boot = data.get("boot")
        self.kernel = data.get("kernel", "linux-image-cloud")
        self.modules = _only(arch, data.get("modules", []))
        self.packages = [_suite(package) for package in _only(arch, data.get("packages", []))]
        self.programs = [program.Program(path, self.folder, *item) for item in data.get("programs", {}).items()]
        self.headers = _only(arch, data.get("headers", []))
        self.without = data.get("without", [])
        self.keep = _only(arch, data.get("keep", []))
        self.applets = data.get("applets", [])
        self._check_image(path, data.get("image", {}))

    def _check_image(self, path, image):
        self.kind = image.get("kind")
        if self.kind not in COMPRESSION:
            raise BuildError("%s: image.kind must be one of %s" % (path, ", ".join(COMPRESSION)))
        self.compression = image.get("compression", COMPRESSION[self.kind][0])
        if self.compression not in COMPRESSION[self.kind]:
            raise BuildError("%s: image.compression of %s must be one of %s" %
                             (path, self.kind, ", ".join(COMPRESSION[self.kind])))
        self.size_mib = image.get("size", 0)
        if self.kind == "ext4" and not (isinstance(self.size_mib, int) and 1 <= self.size_mib <= 4096):
            raise BuildError("%s: image.size of ext4 must be a number of MiB from 1 to 4096" % path)
        if (self.boot is None) != (self.kind in ("initramfs", "folder")):
            raise BuildError("%s: 'boot' names the initramfs recipe that starts a disk; only disks have it" % path)

    def takes(self, package):
        """Whether the package of that name is wanted."""
        return not any(fnmatch.fnmatchcase(package, pattern) for pattern in self.without)

    def fingerprint(self, *more):
        """Hash over the recipe, its files, this builder and the strings in `more`."""
        digest = hashlib.sha256()
        borrowed = sorted((FOLDER / self.like / "files").rglob("*")) if self.like else []
        compiled = [path for own in self.programs for path in own.files()]
        for path in sorted(self.folder.rglob("*")) + borrowed + compiled + sorted((FOLDER / "builder").glob("*.py")):
            if path.is_file():
                data = path.read_bytes()
                digest.update(b"%s %o %d\n" % (path.relative_to(FOLDER).as_posix().encode(),
                                               path.stat().st_mode & 0o111, len(data)))
                digest.update(data)
        digest.update("\0".join(more).encode())
        return digest.hexdigest()


def _only(arch, words):
    """The words that count for `arch`."""
    found = []
    for word in words:
        match = ONLY_FOR.match(word)
        if not match or match[2] == arch:
            found.append(match[1] if match else word)
    return found


def _suite(package):
    name, slash, suite = package.partition("/")
    return "%s/%s" % (name, sources.kernel_suite()) if slash and suite == "backports" else package


def all_names():
    """Names of all recipes."""
    return sorted(path.parent.name for path in FOLDER.glob("*/recipe.json"))
