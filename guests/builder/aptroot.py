# SPDX-License-Identifier: MPL-2.0
"""A private apt: resolves and downloads Debian packages of any architecture, without root.

It has its own lists, status (nothing installed) and cache below the user's cache folder and shares
nothing with the machine's apt but its sources, keyrings, proxy settings and credentials. Downloaded
packages are kept in one folder for all architectures, and checked against the signed lists' SHA-256
whenever they are used.
"""

import collections
import hashlib
import os
import pathlib
import re
import subprocess
import time
import urllib.parse

from . import BuildError, sources

LISTS_MAX_AGE = 24 * 3600

Package = collections.namedtuple("Package", "name version arch filename sha256")

CONFIG = """
Dir "{root}";
Dir::State "{root}/state";
Dir::State::lists "{root}/state/lists";
Dir::State::status "{root}/state/status";
Dir::Cache "{root}/cache";
Dir::Cache::archives "{root}/cache/archives";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{root}/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "/etc/apt/trusted.gpg";
Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d";
Dir::Etc::netrc "/etc/apt/auth.conf";
Dir::Etc::netrcparts "/etc/apt/auth.conf.d";
Dir::Log "{root}/log";
#clear APT::Architectures;
#clear APT::Update;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::Contents-deb;
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::Retries "2";
Debug::NoLocking "true";
"""


def cache_folder():
    """Where downloads are kept: $XDG_CACHE_HOME/busbar."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "busbar"


class AptRoot:
    """One architecture of this machine's Debian, or of the release `codename`, then without backports."""

    def __init__(self, arch, say, codename=None):
        self.arch = arch
        self.say = say
        self.codename = codename or sources.release()[1]
        self.debs = cache_folder() / "debs"
        self.root = cache_folder() / ("apt-%s%s-%s" % (self.codename, "-alone" if codename else "", arch))
        for folder in ("state/lists/partial", "cache/archives/partial", "sources", "log"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        self.debs.mkdir(parents=True, exist_ok=True)
        (self.root / "state/status").touch()
        (self.root / "apt.conf").write_text(CONFIG.format(root=self.root, arch=arch))

        wanted = sources.private_sources(self.codename, wants_backports=codename is None)
        file = self.root / "sources/machine.sources"
        if not file.exists() or file.read_text() != wanted:
            file.write_text(wanted)
            self._stamp.unlink(missing_ok=True)

    @property
    def _stamp(self):
        return self.root / "state/updated"

    def refresh(self, force=False):
        """Fetches the package lists if they are older than a day."""
        if not force and self._stamp.exists() and time.time() - self._stamp.stat().st_mtime < LISTS_MAX_AGE:
            return
        self.say("fetching the package lists of %s (%s)" % (self.codename, self.arch))
        done = self._apt("apt-get", "update", "--error-on=any")
        if done.returncode != 0:
            if any((self.root / "state/lists").glob("*Packages*")):
                self.say("warning: the mirror did not answer; going on with the lists of an earlier day")
                return
            raise BuildError("cannot fetch package lists; are the mirrors of /etc/apt/sources* reachable?\n%s"
                             % _reasons(done.stderr))
        self._stamp.touch()

    def resolve(self, names):
        """The packages `names` ("name" or "name/suite") and all they depend on, without recommendations."""
        self.refresh()
        done = self._apt("apt-get", "install", "--print-uris", "-y", "-q", *names)
        if done.returncode != 0:
            raise BuildError("apt cannot install %s for %s:\n%s" % (" ".join(names), self.arch, _reasons(done.stderr)))
        found = []
        for line in done.stdout.splitlines():
            match = re.match(r"'[^']+' (\S+?)_(\S+)_(\S+)\.deb \d+", line)
            if match:
                name, version, arch = match.groups()
                found.append((name, urllib.parse.unquote(version), arch))
        hashes = self._hashes(found)
        return [Package(n, v, a, "%s_%s_%s.deb" % (n, v.replace(":", "%3a"), a), hashes[n, v])
                for n, v, a in sorted(found)]

    def kernel_package(self, meta, suite):
        """The versioned package that the metapackage `meta` of `suite` stands for, without its dependencies."""
        self.refresh()
        done = self._apt("apt-cache", "show", "--no-all-versions", "%s/%s" % (meta, suite))
        found = re.search(r"^Depends: (linux-image-\S+) \(= (\S+)\)", done.stdout, re.M)
        if not found:
            raise BuildError("no package %s in %s (%s): is that suite among this machine's apt sources? "
                             "tools/setup adds it" % (meta, suite, self.arch))
        name, version = found.groups()
        sha256 = self._hashes([(name, version, self.arch)])[name, version]
        return Package(name, version, self.arch, "%s_%s_%s.deb" % (name, version.replace(":", "%3a"), self.arch),
                       sha256)

    def download(self, packages):
        """Returns {package: path of its checked .deb}, fetching what the cache lacks."""
        lacking = [p for p in packages if not self._checked(p)]
        if lacking:
            self.say("downloading %d packages" % len(lacking))
            names = ["%s=%s" % (p.name, p.version) for p in lacking]
            done = self._apt("apt-get", "download", "-q", *names, cwd=self.debs)
            if done.returncode != 0:
                raise BuildError("cannot download packages; if the mirror has newer ones by now, "
                                 "try again with --force\n%s"
                                 % _reasons(done.stderr))
        for package in lacking:
            if not self._checked(package):
                raise BuildError("%s: what the mirror sent is not what its signed list says" % package.filename)
        return {p: self.debs / p.filename for p in packages}

    def _checked(self, package):
        path = self.debs / package.filename
        return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == package.sha256

    def _hashes(self, found):
        """{(name, version): SHA-256} from the lists."""
        done = self._apt("apt-cache", "show", *["%s=%s" % (n, v) for n, v, _ in found])
        hashes = {}
        for stanza in done.stdout.split("\n\n"):
            fields = dict(re.findall(r"^(Package|Version|SHA256): (\S+)$", stanza, re.M))
            if len(fields) == 3:
                hashes[fields["Package"], fields["Version"]] = fields["SHA256"]
        missing = [n for n, v, _ in found if (n, v) not in hashes]
        if missing:
            raise BuildError("the package lists hold no checksum for %s" % ", ".join(missing))
        return hashes

    def _apt(self, program, *arguments, cwd=None):
        environment = dict(os.environ, LC_ALL="C", DEBIAN_FRONTEND="noninteractive")
        try:
            return subprocess.run([program, "-c", str(self.root / "apt.conf"), *arguments], cwd=cwd, text=True,
                                  capture_output=True, stdin=subprocess.DEVNULL, env=environment, check=False)
        except FileNotFoundError:
            raise BuildError("%s is not installed: guests are built with Debian's apt" % program) from None


def _reasons(text):
    """apt's own error lines, without its warnings."""
    lines = [line for line in text.splitlines() if line.startswith("E:") or " : Depends:" in line]
    return "\n".join("  " + line for line in lines[:8])
