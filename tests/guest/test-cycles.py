#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Machines that come and go: a hundred of them, one after the other, and one that loses its monitor."""

import os
import pathlib
import signal

import lab as guest_lab
from lab import MIB, PLATFORM

N_CYCLES = int(os.environ.get("CYCLES", "100" if PLATFORM != "qemu" else "10"))


def shared_memory_kib():
    """Memory of memfds and other files in memory, of the whole host."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Shmem:"):
            return int(line.split()[1])
    return 0


def cycles(lab):
    bundle = lab.bundle("cycle", [
        {"id": "data", "type": "blk", "image": lab.image("data.img", 16 * MIB)},
        {"id": "eth0", "type": "net", "network": "backbone"},
        {"id": "rng", "type": "rng"},
    ])
    before_kib = None
    begun = guest_lab.now()
    for i in range(N_CYCLES):
        machine = lab.start(bundle)
        if machine.status() != "running":
            raise AssertionError(f"cycle {i}: state is {machine.status()}")
        lab.busbar("kill", "cycle", "KILL")
        machine.wait_stopped()
        lab.busbar("delete", "cycle")
        lab.started.clear()
        guest_lab.until("processes gone", 30, lambda: not lab.processes())
        left = [str(path) for path in lab.root.rglob("*") if path.name != ".lock"]
        if left:
            raise AssertionError(f"cycle {i}: left behind: {left}")
        before_kib = before_kib or shared_memory_kib()
    lab.point(True,
              f"{N_CYCLES} machines with five devices were started and killed, none left a process or a file behind")
    lab.note(f"{(guest_lab.now() - begun) / N_CYCLES:.2f} s each; memory in files, of the whole host: "
             f"{shared_memory_kib() - before_kib:+d} KiB")


def monitor_of(lab, name):
    """The process that runs the guest: a child of the machine's keeper whose command line is no device server's."""
    for pid, words in lab.processes():
        if words.split()[1:2] == ["monitor"] or "qemu-system" in words.split()[0]:
            if f"name {name}" in words or f"guest={name}" in words:
                return pid
    return None


def monitor_killed(lab):
    """Two machines share the network's server. One loses its monitor: the other does not notice, the server serves on,
    and the one that comes back is served like the first time."""
    for name in ("alpha", "beta"):
        lab.bundle(name, [{"id": "eth0", "type": "net", "network": "backbone"}])
    names = ["alpha", "beta"]
    alpha, beta = lab.up(names, restart=names, networks={"backbone": {"uplink": "none"}})
    alpha.connect()
    beta.connect()
    server = alpha.devices()["eth0"]["pid"]
    for machine, address in ((alpha, "192.168.77.1/24"), (beta, "192.168.77.2/24")):
        machine.must(f"ip addr add {address} dev eth0 && ip link set eth0 up")
    beta.must("ping -c 2 192.168.77.1")
    pid = guest_lab.until("monitor of alpha", 10, lambda: monitor_of(lab, "alpha"))
    os.kill(pid, signal.SIGKILL)
    guest_lab.until("the next monitor of alpha", 60, lambda: monitor_of(lab, "alpha") not in (None, pid))
    lab.point(True, "monitor killed: the machine is started again")
    guest_lab.until("alpha runs", 60, lambda: alpha.status() == "running")
    alpha.shell.close()
    alpha.connect()
    alpha.must("ip addr add 192.168.77.1/24 dev eth0 && ip link set eth0 up")
    beta.must("ping -c 2 192.168.77.1")
    lab.point(True, "and reaches its peer, which did not notice")
    lab.point(alpha.devices()["eth0"]["pid"] == server, "the network's server is the one of before")


def body(lab):
    cycles(lab)
    monitor_killed(lab)


guest_lab.run_test("cycles", body)
