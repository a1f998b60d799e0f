# SPDX-License-Identifier: MPL-2.0
"""An emulated board with KVM: QEMU emulates the processor with its virtualization extensions, Debian runs on it.

The board has two disks: the image of guests/board, and one made for each start that holds what is tested: programs of a
build folder, guest images, tests. A shell on the board's console, which is a socket pair of ours, runs commands.
"""

import json
import os
import pathlib
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROMPT = "board# "
START_DEADLINE_S = 180
# The board's init writes to its first console every 5 s. Without that for so long, the kernel stands still, however
# busy this machine is.
PULSE_DEADLINE_S = 120
# So long without it, and it is helped along (Board.poke).
PULSE_LATE_S = 12
# How often that is looked at.
LOOK_S = 1
MEMORY_MIB = 2048
DISK_MIB = 4096  # a sparse file

# What is quick and works in QEMU 10.0: one x86-64 CPU, whose guests have their timer interrupts only without the
# virtual global interrupt flag (and never with -cpu max); arm64 with as many as the host has.
MACHINES = {
    "amd64": {
        "qemu": "qemu-system-x86_64",
        "machine": ["-M", "q35,hpet=off", "-cpu", "EPYC-v1,+svm", "-smp", "1"],
        "kernel": "vmlinux",
        "parameters": "console=ttyS0 console=hvc0 kvm_amd.vgif=0",
        "poke": "sendkey shift",
    },
    "arm64": {
        "qemu": "qemu-system-aarch64",
        "machine": ["-M", "virt,virtualization=on,gic-version=" + os.environ.get("BOARD_GIC", "3"),
                    "-cpu", "cortex-a76", "-smp", "2"],
        "kernel": "vmlinuz",
        "parameters": "console=ttyAMA0 console=hvc0",
    },
}
COMMON_PARAMETERS = "quiet cryptomgr.notests root=/dev/vda ro panic=-1"


class BoardError(Exception):
    """The board cannot be started, died, or did not answer in time."""


class BoardFroze(BoardError):
    """The kernel of the board stands still: no program on it can do that,
    only that kernel or what emulates the processor."""


class Shell:
    """The shell at the other end of a socket. `look()` is called now and then while it has nothing to say;
    it may raise."""

    def __init__(self, end, look=lambda: None):
        self.end, self.look = end, look
        self.text = ""

    def read_until(self, marker, deadline_s, follow=None):
        """What comes before `marker`, which is dropped; whole lines are given to `follow` as they come."""
        end = time.monotonic() + deadline_s
        told = 0
        while marker not in self.text:
            ready, _, _ = select.select([self.end], [], [], min(max(end - time.monotonic(), 0), LOOK_S))
            if not ready:
                self.look()
                if time.monotonic() < end:
                    continue
                raise BoardError(f"nothing that ends with {marker!r} within {deadline_s} s; last: {self.text[-400:]!r}")
            data = self.end.recv(65536)
            if not data:
                raise BoardError(f"the board ended; last: {self.text[-400:]!r}")
            self.text += data.decode(errors="replace").replace("\r", "")
            if follow:
                told = self._tell(follow, told, self.text.find(marker))
        before, self.text = self.text.split(marker, 1)
        if follow:
            self._tell(follow, told, None, before)
        return before

    def _tell(self, follow, told, limit, text=None):
        text = self.text[:limit if limit is not None and limit >= 0 else None] if text is None else text
        while "\n" in text[told:]:
            line, _ = text[told:].split("\n", 1)
            told += len(line) + 1
            follow(line)
        return told

    def run(self, command, deadline_s, follow=None):
        """(exit status, output) of a command."""
        self.end.sendall(("( " + command + "\n) </dev/null 2>&1; echo \"@@board ended $? @@\"\n").encode())
        output = self.read_until("@@board ended ", deadline_s, follow)
        status = int(self.read_until(" @@", deadline_s))
        self.read_until(PROMPT, deadline_s)
        return status, output


class Board:
    """`guests` is the folder of guests/build's results, `disk` the image that make_disk() made."""

    def __init__(self, arch, guests, disk):
        self.arch, self.guests, self.disk = arch, pathlib.Path(guests), disk
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="board-"))
        self.process = self.shell = None
        self.n_pokes = 0

    def start(self):
        image, spec = self.guests / f"board-{self.arch}", MACHINES[self.arch]
        for path in (image / spec["kernel"], image / "initrd.img", image / "root.squashfs"):
            if not path.exists():
                raise BoardError(f"{path} is missing: guests/build board --arch {self.arch}")
        if not shutil.which(spec["qemu"]):
            raise BoardError(f"{spec['qemu']} is missing: tools/setup")
        ours, theirs = socket.socketpair()
        command = [
            spec["qemu"], *spec["machine"], "-accel", "tcg", "-m", str(MEMORY_MIB), "-nodefaults", "-display", "none",
            "-no-reboot", "-kernel", str(image / spec["kernel"]), "-initrd", str(image / "initrd.img"),
            "-append", f"{spec['parameters']} {COMMON_PARAMETERS}",
            "-serial", f"file:{self.folder}/serial.log", "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off",
            "-device", "virtio-serial-pci", "-chardev", f"socket,id=shell,fd={theirs.fileno()}",
            "-device", "virtconsole,chardev=shell", "-device", "virtio-rng-pci",
            *_disk("root", image / "root.squashfs", "read-only=on"),
            *_disk("tests", self.disk, "snapshot=on,cache=unsafe"),
        ]
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=open(self.folder / "qemu.log", "wb"),
                                        stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        theirs.close()
        self.shell = Shell(ours, self.look)
        try:
            self.shell.read_until(PROMPT, START_DEADLINE_S)
        except BoardError as error:
            raise BoardError(f"{error}\n{self.words()}") from None
        return time.monotonic() - self.started

    def run(self, command, deadline_s, follow=None):
        return self.shell.run(command, deadline_s, follow)

    def cpu_s(self):
        """CPU time that the emulation took so far: what the board costs on a machine that has nothing else to do."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def look(self):
        """Raises BoardFroze if the pulse is missing. A board that starts has none yet:
        its start has a deadline of its own."""
        serial = self.folder / "serial.log"
        silent_s = time.time() - serial.stat().st_mtime
        if not serial.stat().st_size or self.process.poll() is not None:
            return
        if silent_s > PULSE_DEADLINE_S:
            raise BoardFroze(f"its kernel stands still for {silent_s:.0f} s\n" +
                             "\n".join(self.registers() for _ in range(3)))
        if silent_s > PULSE_LATE_S:
            self.poke()

    def poke(self):
        """An interrupt that does no harm.

        QEMU 10.0 loses an interrupt of x86-64 now and then, while a guest exits again and again: the local APIC says
        that the timer's waits, and it is never taken. The processor's thread (helper_vmrun() in its source) adds to the
        word of pending interrupts without the lock under which timers and devices do. The next interrupt of whatever
        kind takes the lost one along.
        """
        if "poke" in MACHINES[self.arch]:
            self.n_pokes += 1
            self.ask(MACHINES[self.arch]["poke"])

    def ask(self, command):
        """What QEMU's human monitor answers, or why it does not."""
        with socket.socket(socket.AF_UNIX) as qmp:
            qmp.settimeout(10)
            try:
                qmp.connect(f"{self.folder}/qmp")
                answers = qmp.makefile("rw")
                answers.readline()  # greeting
                for words in ({"execute": "qmp_capabilities"},
                              {"execute": "human-monitor-command", "arguments": {"command-line": command}}):
                    print(json.dumps(words), file=answers, flush=True)
                    while not {"return", "error"} & (answer := json.loads(answers.readline())).keys():
                        pass  # events
                return str(answer.get("return", answer))
            except (OSError, ValueError) as error:
                return f"QEMU does not answer: {error}"

    def registers(self):
        """Where the emulated processors are, and on x86-64 which interrupts wait."""
        text = self.ask("info registers -a").split("FCW=")[0].split("Q00=")[0].strip()  # no floating point
        return text + ("\n" + self.ask("info lapic").strip() if self.arch == "amd64" else "")

    def words(self):
        """The last words of the board's kernel and of the QEMU that emulates it."""
        text = ""
        for name in ("serial.log", "qemu.log"):
            path = self.folder / name
            text += path.read_text(errors="replace")[-2000:] if path.exists() else ""
        return re.sub(r"\n{2,}", "\n", re.sub(r"[^ -~\n]", "", text)).strip()

    def stop(self, deadline_s=30):
        if self.process and self.process.poll() is None:
            try:
                self.shell.end.sendall(b"exit\n")
                self.process.wait(deadline_s)
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
        if self.shell:
            self.shell.end.close()
        self.process = self.shell = None

    def remove(self):
        self.stop(0)
        shutil.rmtree(self.folder, ignore_errors=True)


def _disk(name, path, options):
    return ["-drive", f"if=none,id={name},format=raw,file={path},{options}", "-device", f"virtio-blk-pci,drive={name}"]


def make_disk(path, contents):
    """An ext4 image of {path in the image: file or folder}.
    Files are linked, so that this costs no copy but mke2fs' own."""
    with tempfile.TemporaryDirectory(prefix="board-", dir=pathlib.Path(path).parent) as folder:
        for inner, source in contents.items():
            target = pathlib.Path(folder) / inner
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, copy_function=_link, dirs_exist_ok=True,
                                ignore=shutil.ignore_patterns("__pycache__"))
            else:
                _link(source, target)
        environment = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        pathlib.Path(path).unlink(missing_ok=True)
        done = subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d", folder,
                               str(path), f"{DISK_MIB}M"], capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise BoardError(f"mke2fs: {done.stderr.strip()}")
    return path


def _link(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)
