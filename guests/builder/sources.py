# SPDX-License-Identifier: MPL-2.0
"""The Debian sources of this machine, rewritten for a private apt.

Both file formats of sources.list(5) are read. What comes out is deb822 that keeps mirror, suites,
components and keyring, and drops what would tie it to this machine's architecture. Sources of other
vendors are left out: guests consist of Debian packages only.
"""

import pathlib
import re

from . import BuildError

APT = pathlib.Path("/etc/apt")


def release():
    """The machine's Debian as (VERSION_ID, VERSION_CODENAME)."""
    found = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', pathlib.Path("/etc/os-release").read_text(), re.M))
    if found.get("ID") != "debian" or "VERSION_CODENAME" not in found:
        raise BuildError("guests are built on Debian: /etc/os-release says this is '%s'" % found.get("ID", "?"))
    return found.get("VERSION_ID", ""), found["VERSION_CODENAME"]


def kernel_suite():
    """The suite whose kernel the guests run."""
    version, codename = release()
    return "bookworm-backports" if version == "12" else codename


def private_sources(codename, wants_backports=True):
    """Text of a deb822 file with this machine's Debian sources, for the release `codename`.

    If that is another release than the machine's, it is looked for on the same mirrors.
    """
    own = release()[1]
    text = []
    for entry in _entries():
        suites = [s for s in entry["suites"].split() if s.split("-")[0] == own
                  and (wants_backports or "backports" not in s)]
        if not suites:
            continue
        text.append("Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\n" %
                    (entry["uris"], " ".join(codename + s[len(own):] for s in suites), entry["components"]))
        if entry.get("signed-by"):
            text.append("Signed-By: %s\n" % entry["signed-by"])
        text.append("\n")
    if not text:
        raise BuildError("no apt source of this machine carries Debian '%s': see /etc/apt/sources.list.d" % own)
    return "".join(text)


def _entries():
    files = [APT / "sources.list"] + sorted((APT / "sources.list.d").glob("*"))
    for path in files:
        if not path.is_file():
            continue
        if path.suffix == ".list":
            yield from _one_line(path.read_text())
        elif path.suffix == ".sources":
            yield from _deb822(path.read_text())


def _one_line(text):
    for line in text.splitlines():
        found = re.match(r"\s*deb\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s+([^#]+)", line)
        if not found:
            continue
        options, uri, suite, components = found.groups()
        entry = {"uris": uri, "suites": suite, "components": components.strip()}
        for option in (options or "").split():
            name, _, value = option.partition("=")
            if name.lower() == "signed-by":
                entry["signed-by"] = value.replace(",", " ")
        yield entry


def _deb822(text):
    text = re.sub(r"^#.*\n", "", text, flags=re.M)
    for stanza in re.split(r"\n\s*\n", text):
        entry = {}
        for name, value in re.findall(r"^(\S+?):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.M):
            entry[name.lower()] = value
        if "deb" not in entry.get("types", "").split() or entry.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        entry["uris"] = " ".join(entry.get("uris", "").split())
        entry["components"] = " ".join(entry.get("components", "").split())
        if entry["uris"] and entry["components"] and entry.get("suites"):
            yield entry
