# SPDX-License-Identifier: MPL-2.0
"""Programs of our own in a guest: compiled by the machine's gcc with headers and libraries of the guest's packages.

What a program is linked with must be among the recipe's packages, or the guest could not start it; that is checked.
"""

import subprocess

from . import BuildError
from .elf import Elf

MEMBERS = ("sources", "protocols", "headers", "libraries")
COMPILER = {"amd64": "x86_64-linux-gnu-gcc", "arm64": "aarch64-linux-gnu-gcc"}
FLAGS = ["-std=gnu17", "-O2", "-g0", "-Wall", "-Wextra", "-Wshadow", "-Wvla", "-Wimplicit-fallthrough", "-Werror"]


class Program:
    """One program of a recipe: /usr/bin/NAME of the guest."""

    def __init__(self, path, folder, name, data):
        if not isinstance(data, dict) or any(m not in MEMBERS or not isinstance(data[m], list) for m in data):
            raise BuildError("%s: program '%s': expected lists, of the names %s" % (path, name, ", ".join(MEMBERS)))
        self.name = name
        self.folder = folder
        self.patterns = data.get("sources", [])  # relative to the recipe's folder
        self.protocols = data.get("protocols", [])  # of Wayland: files below /usr/share, whose client side is generated
        self.headers = data.get("headers", [])  # folders of /usr/include
        self.libraries = data.get("libraries", [])

    def files(self):
        """Sources, and the headers that lie beside them, in a stable order."""
        found = []
        for pattern in self.patterns:
            beside = pattern.rsplit("/", 1)[0] + "/*.h"
            matched = sorted(self.folder.glob(pattern))
            if not matched:
                raise BuildError("program '%s': there is no %s/%s" % (self.name, self.folder, pattern))
            found += matched + sorted(self.folder.glob(beside))
        return list(dict.fromkeys(path.resolve() for path in found))


def compile_all(programs, arch, sysroot, root):
    """Compiles into `root`, against what lies in `sysroot`."""
    for program in programs:
        target = root / "usr/bin" / program.name
        target.parent.mkdir(parents=True, exist_ok=True)
        sources = [str(path) for path in program.files() if path.suffix == ".c"]
        folders = sorted({"-I" + path.rsplit("/", 1)[0] for path in sources})
        generated = _scan(program, sysroot)
        sources += [path for path in generated if path.endswith(".c")]
        folders += ["-I%s" % sysroot] if generated else []
        folders += ["-isystem%s/usr/include/%s" % (sysroot, name) for name in program.headers]
        _run([COMPILER[arch], "--sysroot=%s" % sysroot, *FLAGS, *folders, "-o", str(target), *sources,
              *("-l" + name for name in program.libraries), "-s"], program.name)
        for name in Elf.of(target.read_bytes()).needed():
            if not name.startswith("/") and not any((root / folder).rglob(name) for folder in ("usr/lib",)):
                raise BuildError("program '%s' needs %s, which the guest does not have" % (program.name, name))


def _scan(program, sysroot):
    """Generates what speaks the program's Wayland protocols: NAME-client.h and NAME.c."""
    found = []
    for protocol in program.protocols:
        stem = str(sysroot / protocol.rsplit("/", 1)[-1].removesuffix(".xml"))
        for kind, path in (("client-header", stem + "-client.h"), ("private-code", stem + ".c")):
            _run(["wayland-scanner", kind, str(sysroot / "usr/share" / protocol), path], program.name)
            found.append(path)
    return found


def _run(command, name):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BuildError("%s is not installed: tools/setup" % command[0]) from None
    if done.returncode != 0:
        raise BuildError("program '%s' does not compile:\n%s" % (name, done.stderr.strip()))
