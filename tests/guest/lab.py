# SPDX-License-Identifier: MPL-2.0
"""What the guest rung shares: bundles made of the test guest, machines with a shell on their console, TAP points.

A test is a program that makes one Lab (a root folder of its own, below a short path because socket names are
limited), checks things with lab.point(), and ends with lab.finish(), which also checks that nothing was left behind:
no process, no socket, no folder. A test that cannot run says in its TAP plan what is missing.

Environment: BUSBAR_BUILD (build folder), BUSBAR_GUESTS (images, BUILD/guests), PLATFORM (qemu), GUEST_ARCH (amd64;
where the platform is another one, the host's), LAB_FOLDER (/tmp: where bundles and sockets lie; its path must
be short).
"""

import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("BUSBAR_BUILD", "build")).resolve()
BUSBAR = BUILD / "src/cli/busbar"
GUESTS = pathlib.Path(os.environ.get("BUSBAR_GUESTS", BUILD / "guests"))
PLATFORM = os.environ.get("PLATFORM", "qemu")
HOST_ARCH = {"aarch64": "arm64"}.get(os.uname().machine, "amd64")
ARCH = os.environ.get("GUEST_ARCH", "amd64" if PLATFORM == "qemu" else HOST_ARCH)
FOLDER = os.environ.get("LAB_FOLDER", "/tmp")
MIB = 1 << 20
PROMPT = "busbar# "

# Software emulation on a loaded machine: what takes seconds may take a minute.
BOOT_DEADLINE = 180
SHELL_DEADLINE = 180


def skip(why):
    print("1..0 # SKIP " + why)
    sys.exit(0)


def need(*paths):
    for path in paths:
        if not pathlib.Path(path).exists():
            skip(f"{path} is missing")


def need_platform(name, arch):
    """Skips with the doctor's reason; QEMU's emulation is there wherever its program is."""
    found = subprocess.run([str(BUSBAR), "doctor", "--json"], text=True, capture_output=True, check=False)
    wanted = {"amd64": "x86_64", "arm64": "aarch64"}[arch]
    for platform in json.loads(found.stdout)["platforms"]:
        if platform["platform"] == name and platform["arch"] == wanted:
            if not platform["usable"]:
                skip(f"platform {name} cannot run {arch} guests: {platform['why']}")
            return
    skip(f"there is no platform {name}")


def now():
    return time.monotonic()


def until(what, deadline_s, probe):
    """The first true value of probe(), asked again and again; fails after the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {deadline_s} s")
        select.select([], [], [], 0.01)


class Console:
    """The shell of the test guest at the other end of a console: two file descriptors, or twice the same."""

    def __init__(self, input_fd, output_fd):
        self.input_fd, self.output_fd = input_fd, output_fd
        self.text = ""

    @classmethod
    def connect(cls, path):
        end = socket.socket(socket.AF_UNIX)
        end.connect(str(path))
        fd = end.detach()
        return cls(fd, fd)

    def read_until(self, marker, deadline_s):
        end = time.monotonic() + deadline_s
        while marker not in self.text:
            left = end - time.monotonic()
            ready, _, _ = select.select([self.output_fd], [], [], max(left, 0))
            if not ready:
                raise TimeoutError(f"console: no {marker!r} within {deadline_s} s; last: {self.text[-2000:]!r}")
            data = os.read(self.output_fd, 65536)
            if not data:
                raise ConnectionError(f"console: closed before {marker!r}; last: {self.text[-2000:]!r}")
            self.text += data.decode(errors="replace").replace("\r", "")
        before, self.text = self.text.split(marker, 1)
        return before

    def send(self, line):
        data = line.encode() + b"\n"
        while data:
            data = data[os.write(self.input_fd, data):]

    def run(self, command, deadline_s=SHELL_DEADLINE):
        """(status, output) of a shell command in the guest.

        What goes on behind it must not be the shell's own child: ((command) &), or be waited for. Busybox' shell takes
        the end of a child for the end of its input if it reads a line just then, and the guest powers off.
        """
        self.send("{ " + command + "\n} 2>&1; echo \"@@ended $? @@\"")
        output = self.read_until("@@ended ", deadline_s)
        status = self.read_until(" @@", deadline_s)
        self.read_until(PROMPT, deadline_s)
        return int(status), output

    def close(self):
        for fd in {self.input_fd, self.output_fd}:
            os.close(fd)


class Machine:
    def __init__(self, lab, name):
        self.lab, self.name, self.shell = lab, name, None

    def state(self):
        result = self.lab.busbar("state", self.name, check=False)
        return json.loads(result.stdout) if result.returncode == 0 else None

    def status(self):
        state = self.state()
        return state["status"] if state else None

    def devices(self):
        return {device["id"]: device for device in self.state()["busbar"]["devices"]}

    def connect(self, deadline_s=BOOT_DEADLINE):
        """Waits for the shell's prompt on the first console."""
        path = self.state()["busbar"]["consoles"][0]["socket"]
        self.shell = Console.connect(path)
        self.shell.read_until(PROMPT, deadline_s)
        return self

    def run(self, command, deadline_s=SHELL_DEADLINE):
        return self.shell.run(command, deadline_s)

    def must(self, command, deadline_s=SHELL_DEADLINE):
        status, output = self.run(command, deadline_s)
        if status != 0:
            raise AssertionError(f"{self.name}: {command!r} ended with {status}: {output[-2000:]}")
        return output

    def restart(self, deadline_s=BOOT_DEADLINE):
        """The guest restarts itself; returns when its shell is there again.

        The old shell waits for its command, so the next prompt is the new one's. One that goes on instead (reboot &)
        may ask for the next line before the guest is gone, or not.
        """
        self.shell.send("reboot -f")
        self.shell.read_until(PROMPT, deadline_s)

    def kill_server(self, device_id, deadline_s=30):
        """kill -9 of the server behind a device; returns when its successor runs."""
        old = self.devices()[device_id]["pid"]
        os.kill(old, signal.SIGKILL)

        def successor():
            pid = self.devices()[device_id].get("pid")
            return pid if pid and pid != old else None

        return until(f"{self.name}: successor of the server of {device_id}", deadline_s, successor)

    def hypervisor(self):
        """The process that runs the guest: QEMU, or our monitor. None if there is none."""
        for pid, words in self.lab.processes():
            if f"guest={self.name} " in words or (" monitor " in words and f"--name={self.name} " in words):
                return pid
        return None

    def kill(self, deadline_s=60):
        """kill -9 of the process that runs the guest; returns when it is gone."""
        pid = self.hypervisor()
        os.kill(pid, signal.SIGKILL)
        until(f"{self.name} killed", deadline_s, lambda: self.hypervisor() != pid)

    def wait_stopped(self, deadline_s=60):
        until(f"{self.name} stopped", deadline_s, lambda: self.status() in ("stopped", None))


class Lab:
    def __init__(self, name, arch=ARCH, platform=PLATFORM, guest="test"):
        """`guest` is the recipe whose disk the bundles hold; its folder holds the kernel that goes with it, too."""
        self.name, self.arch, self.platform = name, arch, platform
        need(BUSBAR)
        if platform != "auto":
            need_platform(platform, arch)
        self.images = GUESTS / f"{guest}-{arch}"
        need(self.images / "vmlinuz", self.images / "initrd.img", self.images / "root.squashfs")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bb-", dir=FOLDER))
        self.root = self.folder / "run"
        self.environment = dict(os.environ)
        self.n_points = self.n_failed = 0
        self.started = []
        self.system = None  # the system file of up()

    def busbar(self, *words, check=True, **options):
        result = subprocess.run([str(BUSBAR), "--root", str(self.root), *map(str, words)], text=True,
                                capture_output=True, env=self.environment, timeout=120, check=False,
                                stdin=subprocess.DEVNULL, **options)
        if check and result.returncode != 0:
            raise AssertionError(f"busbar {' '.join(map(str, words))}: status {result.returncode}: "
                                 f"{result.stderr.strip()}")
        return result

    def image(self, name, size_bytes):
        """A sparse image, in a folder of its own so that the bundle can hold it."""
        path = self.folder / name
        with open(path, "wb") as out:
            out.truncate(size_bytes)
        return path

    def bundle(self, name, devices, vcpus=1, memory_mib=256, parameters=""):
        """A bundle of the test guest: its root disk first, a console last, `devices` between. Images are hard links or
        copies, since a bundle may not point outside itself."""
        folder = self.folder / name
        folder.mkdir()
        for file in ("vmlinuz", "initrd.img", "root.squashfs"):
            place(self.images / file, folder / file)
        every = [{"id": "root", "type": "blk", "image": "root.squashfs", "readOnly": True}]
        for device in devices:
            device = dict(device)
            if device["type"] == "blk":
                source = pathlib.Path(device["image"])
                place(source, folder / source.name)
                device["image"] = source.name
            every.append(device)
        every.append({"id": "tty", "type": "console"})
        config = {
            "ociVersion": "1.3.0",
            "hostname": name,
            "vm": {
                "kernel": {"path": "vmlinuz", "initrd": "initrd.img",
                           "parameters": f"console=hvc0 quiet root=/dev/vda ro panic=-1 {parameters}".strip()},
                "hwConfig": {"vcpus": vcpus, "memory": memory_mib * MIB},
                "arch": self.arch,
                "devices": every,
            },
        }
        (folder / "config.json").write_text(json.dumps(config, indent=8))
        return folder

    def edit(self, bundle, change):
        """change(vm) on a bundle's vm object; members set to None go."""
        path = bundle / "config.json"
        config = json.loads(path.read_text())
        change(config["vm"])
        config["vm"] = {key: value for key, value in config["vm"].items() if value is not None}
        path.write_text(json.dumps(config, indent=8))

    def start(self, bundle, name=None):
        """create and start; returns at once, Machine.connect() waits for the guest."""
        name = name or bundle.name
        self.started.append(name)
        self.busbar("create", "--platform", self.platform, "--bundle", bundle, name)
        self.busbar("start", name)
        return Machine(self, name)

    def up(self, machines, restart=(), **parts):
        """Brings up a system of bundles, detached; returns its machines in order.

        `restart` are those that are always started again, `parts` what else stands in the system file: networks=...
        """
        self.system = self.folder / "system.json"
        members = {m: {"bundle": m, "platform": self.platform} for m in machines}
        for m in restart:
            members[m]["restart"] = "always"
        self.system.write_text(json.dumps({**parts, "machines": members}, indent=8))
        self.busbar("up", "--detach", self.system)
        self.started.append(self.system)
        return [Machine(self, m) for m in machines]

    def shared_servers(self):
        """{name: pid} of the servers that the machines of the system share."""
        return {server["name"]: server.get("pid")
                for server in json.loads(self.busbar("state", "@system").stdout)["servers"]}

    def kill_shared_server(self, name, deadline_s=60):
        """kill -9; returns when its successor runs."""
        old = self.shared_servers()[name]
        os.kill(old, signal.SIGKILL)
        until(f"successor of the server {name}", deadline_s,
              lambda: self.shared_servers().get(name) not in (None, 0, old))

    def point(self, ok, what):
        self.n_points += 1
        self.n_failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.n_points} - " + what.replace("\n", " | "), flush=True)
        return ok

    def note(self, text):
        print("# " + text, flush=True)

    def processes(self):
        """Processes that name this lab's folder on their command line."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    words = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self.folder).encode() in words:
                    found.append((int(entry.name), words.replace(b"\0", b" ").decode(errors="replace")))
        return found

    def stop_all(self):
        for thing in self.started:
            if isinstance(thing, pathlib.Path):
                # Whether guests end in time when they are asked to is other tests' matter.
                self.busbar("down", "-t", "0", thing, check=False)
            else:
                self.busbar("delete", "--force", thing, check=False)
        self.started = []

    def finish(self):
        self.stop_all()
        try:
            until("processes gone", 20, lambda: not self.processes())
        except TimeoutError:
            pass
        left = self.processes()
        self.point(not left, "no process is left behind" + (f": {left}" if left else ""))
        files = [str(p.relative_to(self.root)) for p in self.root.rglob("*")] if self.root.exists() else []
        files = [f for f in files if f != ".lock"]
        self.point(not files, "no file is left behind" + (f": {files}" if files else ""))
        print(f"1..{self.n_points}", flush=True)
        self.remove()
        sys.exit(1 if self.n_failed else 0)

    def remove(self):
        for pid, _ in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.folder, ignore_errors=True)


def place(source, target):
    """Hard link where the file system allows it, otherwise a copy that keeps holes."""
    try:
        os.link(source, target)
    except OSError:
        subprocess.run(["cp", "--sparse=always", "--", str(source), str(target)], check=True)


def run_test(name, body, **options):
    """body(lab); an exception is a failed point with its text and the machines' logs."""
    lab = Lab(name, **options)
    try:
        body(lab)
    except Exception as error:  # whatever it is, the lab must be cleaned up and the point counted
        lab.point(False, f"{name}: {type(error).__name__}: {error}")
        for path in sorted(lab.root.rglob("*log*")) if lab.root.exists() else []:
            if path.is_file():
                for line in path.read_text(errors="replace").splitlines()[-40:]:
                    lab.note(f"{path.name}: {line}")
    lab.finish()
