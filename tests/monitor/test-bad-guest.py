#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The misbehaving guest in Busbar's monitor: all its cases in one run, then every way in which a machine ends.

usage: test-bad-guest.py [WORD]...      words go to the guest's command line (case=NAME); the endings are left out then

BUSBAR, BUSBAR_BAD_GUESTS: program and folder of the guest, if not those of the build (boards).
"""

import os
import platform
import re
import sys

import bad_guest

# As busbar-monitor(1) has them.
# Code at an address without memory is an exception on arm64, after which this guest powers off; KVM on x86-64 gives up.
ENDINGS = [("off", 0), ("reset", 3), ("panic", 4), ("crash", 5), ("jump", 5 if platform.machine() == "x86_64" else 0),
           ("watchdog", 6)]


MANY_REQUESTS = 1000


def machine(rig, sockets, words, *options):
    command = [bad_guest.BUSBAR, *options, "monitor", "--name", "bad", "--kernel",
               bad_guest.guest_path(platform.machine()), "--parameters", " ".join(words),
               "--memory", f"{bad_guest.MEMORY_MIB}M", "--serial", "-"]
    for i, (name, path) in enumerate(sockets.items()):
        command += ["--device", f"id={name},type={name[:3]},socket={path},packed=off,"
                                f"transport={'pci' if i < 2 else 'mmio'}"]
    return rig.run(command)


def exits_of_requests(rig, sockets):
    """The guest polls, so that interrupts are no matter: neither a kick nor a completion may wake the monitor."""
    exits = []
    for n in (0, MANY_REQUESTS):
        status, said = machine(rig, sockets, ["end=off", f"requests={n}"], "--debug")
        found = re.findall(r"(\d+) exits", said)
        if status != 0 or not found:
            rig.note(said)
        exits.append(int(found[-1]) if status == 0 and found else -1)
    rig.point(exits[0] == exits[1] > 0, f"{MANY_REQUESTS} requests to each device cost {exits[1] - exits[0]} exits")


def body(rig):
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        bad_guest.skip("/dev/kvm cannot be opened")
    bad_guest.guest_path(platform.machine())
    sockets = rig.serve_all(["rng0", "blk0", "rng1", "blk1"])
    status, said = machine(rig, sockets, sys.argv[1:])
    rig.take_points(said)
    rig.point(status == 0, f"the machine powers off ({status})")
    rig.servers_live()
    if len(sys.argv) == 1:
        exits_of_requests(rig, sockets)
    for how, expected in ENDINGS if len(sys.argv) == 1 else []:
        status, said = machine(rig, sockets, [f"end={how}"])
        rig.point(status == expected, f"end by {how}: exit status {status}, expected {expected}")
        if how == "crash":
            why = {"x86_64": "triple fault", "aarch64": "an instruction without a syndrome"}[platform.machine()]
            rig.point(why in said, f"end by {how}: the reason is {why}")
        if status != expected:
            rig.note(said)
    rig.servers_live()


bad_guest.run_test(body)
