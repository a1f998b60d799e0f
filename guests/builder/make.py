# SPDX-License-Identifier: MPL-2.0
"""Builds one recipe into its output folder, or finds that it is up to date.

A folder's manifest.json says what went in: a fingerprint of the recipe, its files, the builder and of
the recipe that boots it, and the versions of all packages. If the fingerprint still fits, nothing is
done and no network is used; newer packages on the mirror are taken with `force`. A folder is replaced
as a whole, so an interrupted build leaves the previous one.
"""

import fcntl
import json
import os
import pathlib
import shutil
import tempfile

from . import image, program, sources, tree
from .aptroot import AptRoot, cache_folder
from .kernel import Kernel
from .recipe import Recipe

KERNEL, UNPACKED_KERNEL, INITRD = "vmlinuz", "vmlinux", "initrd.img"


def build(name, arch, out, say, force=False):
    """Builds recipe `name`; returns its output folder. Several may be called at once: one after the other builds."""
    recipe, target = Recipe(name, arch), pathlib.Path(out) / ("%s-%s" % (name, arch))
    if not force and _current(target, _key(recipe, arch)):
        return target
    cache_folder().mkdir(parents=True, exist_ok=True)
    with open(cache_folder() / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _build(recipe, arch, target, say, force)


def _key(recipe, arch):
    boot = Recipe(recipe.boot, arch).fingerprint() if recipe.boot else ""
    return recipe.fingerprint(arch, sources.kernel_suite(), boot)


def _build(recipe, arch, target, say, force):
    name, key = recipe.name, _key(recipe, arch)
    if not force and _current(target, key):
        return target

    def note(text):
        say("%s-%s: %s" % (name, arch, text))

    boot = Recipe(recipe.boot, arch) if recipe.boot else None
    if boot:
        boot_folder = _build(boot, arch, target.parent / ("%s-%s" % (boot.name, arch)), say, force)
    target.parent.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix=".%s-" % target.name, dir=target.parent))
    try:
        result = work / "result"
        result.mkdir()
        apt = AptRoot(arch, note)
        note("resolving packages")
        packages = [p for p in apt.resolve(recipe.packages) if recipe.takes(p.name)] if recipe.packages else []
        headers = [p for p in apt.resolve(recipe.headers) if p.name in recipe.headers] if recipe.headers else []
        kernel_packages = []
        if recipe.kind != "folder":
            kernel_packages.append(apt.kernel_package("%s-%s" % ((boot or recipe).kernel, arch),
                                                      sources.kernel_suite()))
        debs = apt.download(sorted(set(packages + headers)) + kernel_packages)

        note("unpacking %d packages" % len(debs))
        root = _populate(recipe, arch, work, [debs[p] for p in packages],
                         [debs[p] for p in headers if p not in packages])
        kernel = None
        if kernel_packages and (not boot or recipe.modules):
            tree.unpack(debs[kernel_packages[0]], work)
            kernel = Kernel(work)
            _add_modules(recipe, boot, kernel, root)

        if boot:
            for file in (KERNEL, UNPACKED_KERNEL, INITRD):
                if (boot_folder / file).exists():
                    _link(boot_folder / file, result / file)
        elif kernel:
            _write_kernel(kernel, arch, result)
        _write_image(recipe, root, result, note)
        _write_manifest(result, recipe, arch, key, packages + headers + kernel_packages)
        if target.exists():
            os.rename(target, work / "previous")
        os.rename(result, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    note("ready: %s" % ", ".join("%s %.1f MiB" % (f.name, f.stat().st_size / 2**20)
                                  for f in sorted(target.iterdir()) if f.suffix != ".json"))
    return target


def _populate(recipe, arch, work, debs, headers):
    """Makes the guest's file system below `work`; returns its folder."""
    root, unpacked = work / "root", work / "unpacked"
    tree.prepare(root)
    if recipe.keep:
        tree.prepare(unpacked)
    for deb in debs:
        tree.unpack(deb, unpacked if recipe.keep else root)
    if recipe.keep:
        tree.keep_only(unpacked, root, recipe.keep)
    if recipe.applets:
        tree.link_applets(root, recipe.applets)
    if recipe.programs:
        sysroot = work / "sysroot"
        tree.prepare(sysroot)
        for deb in debs + headers:
            tree.unpack(deb, sysroot)
        tree.make_movable(sysroot)
        program.compile_all(recipe.programs, arch, sysroot, root)
    for folder in ([recipe.folder.parent / recipe.like] if recipe.like else []) + [recipe.folder]:
        if (folder / "files").is_dir():
            tree.copy_files(folder / "files", root)
    return root


def _add_modules(recipe, boot, kernel, root):
    """Installs the recipe's modules, less those that the boot recipe's initramfs has loaded."""
    already = {name[:-len(".ko")] for name, _ in kernel.modules(boot.modules)} if boot else ()
    tree.install_modules(root, kernel.modules(recipe.modules, already))


def _write_kernel(kernel, arch, folder):
    (folder / KERNEL).write_bytes(kernel.image(arch))
    unpacked = kernel.unpacked_image(arch)
    if unpacked:
        (folder / UNPACKED_KERNEL).write_bytes(unpacked)


def _write_image(recipe, root, folder, note):
    path = folder / {"initramfs": INITRD, "squashfs": "root.squashfs", "ext4": "root.ext4",
                     "folder": "root"}[recipe.kind]
    note("writing %s" % path.name)
    if recipe.kind == "initramfs":
        image.write_initramfs(root, path, recipe.compression)
    elif recipe.kind == "squashfs":
        image.write_squashfs(root, path, recipe.compression)
    elif recipe.kind == "folder":
        tree.make_movable(root)
        os.rename(root, path)
    else:
        image.write_ext4(root, path, recipe.size_mib, recipe.name)


def _link(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def _write_manifest(folder, recipe, arch, key, packages):
    manifest = {
        "recipe": recipe.name,
        "architecture": arch,
        "input": key,
        "files": {f.name: f.stat().st_size for f in sorted(folder.iterdir())},
        "packages": {p.name: {"version": p.version, "sha256": p.sha256} for p in packages},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def _current(folder, key):
    """Whether the folder holds exactly what `key` gives."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        return manifest["input"] == key and all((folder / name).stat().st_size == size
                                                for name, size in manifest["files"].items())
    except (OSError, ValueError, KeyError):
        return False
