#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The misbehaving guest in Busbar's monitor, while its device servers die one after the other and come back."""

import itertools
import os
import platform
import subprocess

import bad_guest

CASES_PER_KILL = 3


def serve(rig, name):
    options = ["--rate=0"] if name.startswith("rng") else ["--image", str(rig.folder / "disk"), "--read-only"]
    return rig.serve(name, name[:3], *options)


def body(rig):
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        bad_guest.skip("/dev/kvm cannot be opened")
    names = ["rng0", "blk0", "rng1", "blk1"]
    command = [bad_guest.BUSBAR, "monitor", "--name", "bad", "--kernel", bad_guest.guest_path(platform.machine()),
               "--memory", f"{bad_guest.MEMORY_MIB}M", "--serial", "-"]
    for i, name in enumerate(names):
        command += ["--device", f"id={name},type={name[:3]},socket={serve(rig, name)},packed=off,"
                                f"transport={'pci' if i < 2 else 'mmio'}"]

    said, n_kills, victims = [], 0, itertools.cycle([1, 0, 2, 1, 3])
    # What the monitor logs goes elsewhere, for it could come in the middle of a line of the guest.
    with open(rig.folder / "monitor.log", "wb") as log, \
         subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                          text=True, errors="replace") as machine:
        for n, line in enumerate(machine.stdout):
            said.append(line.strip("\r\0\n"))
            if n % CASES_PER_KILL:
                continue
            name, process = rig.servers.pop(next(victims) % len(names))
            process.kill()
            process.wait()
            serve(rig, name)
            n_kills += 1
        status = machine.wait()
    rig.take_points("\n".join(said))
    rig.point(status == 0, f"the machine powers off ({status})")
    rig.point(n_kills > 10, f"{n_kills} servers were killed")


bad_guest.run_test(body)
