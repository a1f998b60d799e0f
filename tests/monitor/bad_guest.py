# SPDX-License-Identifier: MPL-2.0
"""What the tests of the misbehaving guest share: device servers, machines to run the guest in, TAP points."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ.get("BUSBAR_BUILD", "build")).resolve()
BUSBAR = pathlib.Path(os.environ.get("BUSBAR", BUILD / "src/cli/busbar"))
GUESTS = pathlib.Path(os.environ.get("BUSBAR_BAD_GUESTS", BUILD / "tests/monitor/guest"))
MEMORY_MIB = 64
DEADLINE = int(os.environ.get("BUSBAR_BAD_GUEST_DEADLINE", "900"))


def skip(why):
    print("1..0 # SKIP " + why)
    sys.exit(0)


def guest_path(arch):
    path = GUESTS / ("bad-guest.elf" if arch == "x86_64" else "bad-guest.Image")
    if not path.exists():
        skip(f"{path.name} is not built: no compiler for {arch}")
    return path


class Rig:
    """A folder, its device servers, and points about what ran there."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bb-bad-", dir="/tmp"))
        self.servers = []
        self.n_points = self.n_failed = 0
        sector = b"Busbar".ljust(511, b".") + b"\x55"
        (self.folder / "disk").write_bytes(sector + bytes((1 << 20) - 512))

    def serve(self, name, kind, *options):
        """Starts a server. Return: its socket's path."""
        path = self.folder / f"{name}.socket"
        ready, theirs = os.pipe()
        log = open(self.folder / f"{name}.log", "wb")
        words = [str(BUSBAR), "device", kind, "--socket-path", str(path), f"--ready-fd={theirs}", "--id", name,
                 *options]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[theirs])
        os.close(theirs)
        log.close()
        said = os.read(ready, 16)
        os.close(ready)
        if not said:
            raise RuntimeError(f"{' '.join(words)}: {(self.folder / f'{name}.log').read_text()}")
        self.servers.append((name, process))
        return path

    def serve_all(self, names):
        """Names such as rng0, blk1. Return: their sockets' paths, by name."""
        return {name: self.serve(name, name[:3], *(["--rate=0"] if name.startswith("rng") else
                                                   ["--image", str(self.folder / "disk"), "--read-only"]))
                for name in names}

    def point(self, ok, what):
        self.n_points += 1
        self.n_failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.n_points} - {what}", flush=True)

    def note(self, text):
        for line in text.splitlines():
            print("# " + line, flush=True)

    def run(self, words, deadline_s=DEADLINE, **options):
        """Runs a machine. Return: exit status (None: not within the deadline) and what it said."""
        said = self.folder / "said"
        with open(said, "wb") as out:
            process = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, **options)
            try:
                status = process.wait(deadline_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                status = None
        return status, said.read_text(errors="replace").replace("\r", "").replace("\0", "")

    def take_points(self, text):
        """The guest's points become ours; one more is that it came to the end of its plan."""
        n, planned = 0, None
        for line in text.splitlines():
            words = line.split(" ", 3)
            if line.startswith(("ok ", "not ok ")):
                n += 1
                self.n_points += 1
                self.n_failed += words[0] == "not"
                print(f"{'not ok' if words[0] == 'not' else 'ok'} {self.n_points} - " + line.split(" - ", 1)[-1],
                      flush=True)
            elif line.startswith("1.."):
                planned = int(line[3:])
            elif line.strip() and not line.startswith("TAP"):
                self.note(line.removeprefix("# "))
        self.point(planned == n and n > 0, f"the guest ran all its cases ({n} of {planned})")

    def servers_live(self):
        for name, process in self.servers:
            self.point(process.poll() is None, f"the server of {name} lives")

    def stop_servers(self):
        for name, process in self.servers:
            if process.poll() is None:
                process.terminate()
            status = process.wait(30)
            self.point(status == 0, f"the server of {name} ends well ({status})")
        self.servers = []

    def finish(self):
        self.stop_servers()
        if self.n_failed:
            for log in sorted(self.folder.glob("*.log")):
                self.note(f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-20:]))
        print(f"1..{self.n_points}", flush=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        sys.exit(1 if self.n_failed else 0)


def run_test(body):
    """body(rig); an exception is a failed point."""
    rig = Rig()
    try:
        body(rig)
    except Exception as error:  # whatever it is, servers must go and the point be counted
        rig.point(False, f"{type(error).__name__}: {error}".replace("\n", " | "))
    rig.finish()
