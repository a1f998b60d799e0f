#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The life of `busbar monitor`: control socket, signals, wrong command lines, a hundred machines one after another."""

import json
import os
import platform
import select
import signal
import socket
import subprocess

import bad_guest

DEADLINE_S = 60
N_CYCLES = 100
ARM64 = platform.machine() == "aarch64"
CRASH = "crash" if ARM64 else "jump"  # what ends a machine at once


class Machine:
    """A machine whose guest counts aloud (or ends as `how` says), and our end of its control socket."""

    def __init__(self, how="count", control=True, devices=()):
        words = [str(bad_guest.BUSBAR), "monitor", "--name", "life", "--kernel",
                 str(bad_guest.guest_path(platform.machine())), "--parameters", f"end={how}",
                 "--memory", "64M", "--vcpus", "2", "--serial", "-"]
        for name, path in dict(devices).items():
            words += ["--device", f"id={name},type={name[:3]},socket={path}"]
        self.control = None
        descriptors = []
        if control:
            self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.control.settimeout(DEADLINE_S)
            descriptors = [theirs.fileno()]
            words += ["--control-fd", str(theirs.fileno())]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        pass_fds=descriptors)
        os.set_blocking(self.process.stdout.fileno(), False)
        if control:
            theirs.close()

    def event(self):
        return json.loads(self.control.recv(4096) or b"{}")

    def ask(self, what):
        self.control.send(json.dumps({"do": what}).encode())
        return self.event()

    def said(self):
        """What the guest said until now."""
        text = b""
        while True:
            try:
                piece = os.read(self.process.stdout.fileno(), 65536)
            except BlockingIOError:
                return text
            if not piece:
                return text
            text += piece

    def wait_for_count(self):
        """Until the guest counts. Return: what it said."""
        text = b""
        while b"count " not in text:
            if not select.select([self.process.stdout], [], [], DEADLINE_S)[0]:
                raise RuntimeError("the guest does not count")
            text += self.said()
        return text

    def end(self):
        """Return: exit status and what the monitor said."""
        try:
            _, errors = self.process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, errors = self.process.communicate()
            return None, errors.decode()
        if self.control:
            self.control.close()
        return self.process.returncode, errors.decode()


def numbers(text):
    return [int(line.split()[1]) for line in text.decode().splitlines()
            if line.startswith("count ") and line[6:].isdigit()]


def control_socket(rig):
    machine = Machine(devices=rig.serve_all(["rng1", "blk1"]))  # which the guest uses before it counts
    rig.point(machine.event() == {"event": "ready"}, "a machine with a control socket says that it is ready")
    rig.point(machine.said() == b"", "and runs no guest yet")
    rig.point(machine.ask("resume") == {"event": "running"}, "it runs when it is told to")
    text = machine.wait_for_count()
    rig.point(machine.ask("pause") == {"event": "paused"}, "it pauses")
    text += machine.said()
    for _ in range(20):
        machine.ask("nonsense")
    rig.point(machine.said() == b"", "the guest does nothing while it is paused")
    rig.point(machine.ask("power-down")["event"] == "error", "the power button of a paused machine is refused")
    rig.point(machine.ask("pause") == {"event": "paused"}, "a second pause changes nothing")
    rig.point(machine.ask("resume") == {"event": "running"}, "it goes on")
    text += machine.wait_for_count()
    counted = numbers(text)
    rig.point(counted[:-1] == list(range(len(counted) - 1)), "the guest missed nothing")
    ended = machine.ask("stop")
    rig.point(ended["event"] == "ended" and ended["how"] == "stopped", f"it stops: {ended}")
    rig.point(machine.end()[0] == 7, "exit status 7: stopped")


def other_ends(rig):
    machine = Machine()
    machine.event()
    machine.ask("resume")
    machine.wait_for_count()
    rig.point(machine.ask("reset")["how"] == "reset" and machine.end()[0] == 3, "reset by request: exit status 3")

    machine = Machine()
    machine.event()
    machine.ask("resume")
    machine.control.close()
    machine.control = None
    rig.point(machine.end()[0] == 7, "a machine whose control socket is closed stops")

    machine = Machine("off")
    machine.event()
    machine.ask("resume")
    rig.point(machine.event() == {"event": "ended", "how": "powered-off"} and machine.end()[0] == 0,
              "a guest that powers off is told of")

    machine = Machine(CRASH)
    machine.event()
    machine.ask("resume")
    ended = machine.event()
    rig.point(ended.get("how") == "crashed" and "vCPU 0" in ended.get("text", "") and machine.end()[0] == 5,
              f"a guest that crashes is told of, with the reason: {ended.get('text')}")


def signals(rig):
    machine = Machine(control=False)
    machine.wait_for_count()
    machine.process.send_signal(signal.SIGTERM)
    if ARM64:  # whose button is a pin, and the guest did not set it up
        rig.point(machine.end()[0] == 7, "SIGTERM stops a machine whose guest has no driver of the power button")
    else:
        # The power button is pressed when this line is written.
        line = machine.process.stderr.readline()
        rig.point(b"power button" in line and machine.process.poll() is None, "SIGTERM presses the power button")
        machine.process.send_signal(signal.SIGTERM)
        rig.point(machine.end()[0] == 7, "a second SIGTERM stops the machine")

    machine = Machine(control=False)
    machine.wait_for_count()
    machine.process.send_signal(signal.SIGINT)
    status, errors = machine.end()
    rig.point(status == 7 and "SIGINT" in errors, "SIGINT stops it at once")


    with socket.socket(socket.AF_UNIX) as silent:  # a server that never answers
        path = str(rig.folder / "silent.socket")
        silent.bind(path)
        silent.listen()
        machine = Machine(control=False, devices={"rng0": path})
        connection, _ = silent.accept()
        with connection:
            machine.process.send_signal(signal.SIGTERM)
            rig.point(machine.end()[0] == -signal.SIGTERM, "SIGTERM ends a monitor that waits for a server")


def refusals(rig):
    kernel = str(bad_guest.guest_path(platform.machine()))
    for words, status, said in [
            ([], 2, "--kernel"),
            (["--kernel", kernel, "--vcpus", "0"], 2, "--vcpus=0"),
            (["--kernel", kernel, "--vcpus", "65"], 2, "up to 64"),
            (["--kernel", kernel, "--memory", "lots"], 2, "number of bytes"),
            (["--kernel", kernel, "--device", "id=a"], 2, "socket= is missing"),
            (["--kernel", kernel, "--control-fd", "99"], 2, "SOCK_SEQPACKET"),
            (["--kernel", kernel, "--serial", "/nonexistent/serial"], 1, "/nonexistent/serial"),
            (["--kernel", "/nonexistent/kernel"], 1, "/nonexistent/kernel"),
            (["--kernel", "/dev/null"], 1, "kernel"),
            (["--kernel", kernel, "--initrd", "/nonexistent/initrd"], 1, "/nonexistent/initrd"),
            (["--kernel", kernel, "--memory", "5000000"], 1, "multiple of 1 MiB"),
            (["--kernel", kernel, "--memory", "1000000T"], 1, "MiB that a machine can have"),
            (["--kernel", kernel, "--device", "id=a,type=rng,socket=/nonexistent/socket"], 1, "/nonexistent/socket")]:
        done = subprocess.run([str(bad_guest.BUSBAR), "monitor", *words], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=DEADLINE_S, text=True, check=False)
        rig.point(done.returncode == status and said in done.stderr,
                  f"refused with status {status}: {' '.join(words).replace(kernel, 'KERNEL') or 'no words'}")
        if said not in done.stderr:
            rig.note(f"{done.returncode}: {done.stderr}")


def cycles(rig):
    """One after another, each with the same servers; every fifth is killed."""
    sockets = rig.serve_all(["rng0", "blk0"])
    servers = [process.pid for _, process in rig.servers]

    def n_files():
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in servers]

    # What servers open when they are first used stays open: the first machine is not counted. After the second has
    # connected, the end of the first is done with.
    Machine("off", control=False, devices=sockets).end()
    second = Machine("count", control=False, devices=sockets)
    second.wait_for_count()
    connected, statuses = n_files(), []
    second.process.kill()
    second.end()
    for i in range(N_CYCLES):
        machine = Machine("off" if i % 5 else "count", control=False, devices=sockets)
        if i % 5 == 0:
            machine.wait_for_count()
            machine.process.kill()
        statuses.append(machine.end()[0])
    rig.point(statuses == [-9 if i % 5 == 0 else 0 for i in range(N_CYCLES)],
              f"{N_CYCLES} machines ran on the same servers, a fifth of them were killed")
    last = Machine("count", control=False, devices=sockets)
    last.wait_for_count()
    rig.point(n_files() == connected, f"which then have as many files open as at first ({connected}, {n_files()})")
    last.process.kill()
    last.end()
    rig.servers_live()


def body(rig):
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        bad_guest.skip("/dev/kvm cannot be opened")
    bad_guest.guest_path(platform.machine())
    control_socket(rig)
    other_ends(rig)
    signals(rig)
    refusals(rig)
    cycles(rig)


bad_guest.run_test(body)
