#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The same bundle under the oldest QEMU that is supported and the installed one; prints what a guest sees differ."""

import os
import pathlib
import shutil

import lab as guest_lab
from lab import MIB

OLD = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "busbar/qemu-7.2/bin"

SEEN = ("for d in /sys/bus/virtio/devices/*; do echo \"$(cat $d/device) $(cat $d/vendor) $(cat $d/features)\"; done "
        "| sort; cd /sys/block/vdb/queue; echo $(cat logical_block_size max_segments write_cache discard_granularity)")


def seen_by_guest(lab, bundle, name, n_tries=1):
    """What a guest sees of its devices. QEMU 7.2's software emulation makes this kernel panic now and then, also with
    no device of ours: a guest that went away is started again."""
    for left in reversed(range(n_tries)):
        try:
            return look(lab, bundle, name)
        except (ConnectionError, TimeoutError) as error:
            if left == 0:
                raise
            lab.note(f"{name}: went away, tried again: {str(error)[-200:]!r}")
            lab.busbar("delete", "--force", name)


def look(lab, bundle, name):
    machine = lab.start(bundle, name).connect()
    version = machine.state()["annotations"].get("io.busbar.platform", "?")
    machine.must("dd if=/dev/zero of=/dev/vdb bs=1M count=4 oflag=direct 2>/dev/null "
                 "&& ip link set eth0 up && udhcpc -i eth0 -n -q -s /bin/true")
    seen = machine.must(SEEN)
    machine.shell.send("exit")
    machine.wait_stopped()
    lab.busbar("delete", name)
    lab.point(True, f"{version}: disk, network, entropy and console are used")
    return seen.splitlines()


def body(lab):
    guest_lab.need(OLD / "qemu-system-x86_64")
    bundle = lab.bundle("same", [
        {"id": "data", "type": "blk", "image": lab.image("data.img", 16 * MIB)},
        {"id": "eth0", "type": "net", "network": "backbone"},
        {"id": "rng", "type": "rng"},
    ])
    new = seen_by_guest(lab, bundle, "new")
    lab.environment["PATH"] = f"{OLD}:{lab.environment['PATH']}"
    found = shutil.which("qemu-system-x86_64", path=lab.environment["PATH"])
    lab.point(str(found).startswith(str(OLD)), "the old QEMU is the one that is found")
    old = seen_by_guest(lab, bundle, "old", n_tries=5)
    lab.point([line.split()[:2] for line in new] == [line.split()[:2] for line in old],
              "the same devices are there under both")
    for a, b in zip(old, new):
        if a != b:
            lab.note(f"7.2: {a}")
            lab.note(f"new: {b}")


guest_lab.run_test("qemu-versions", body, arch="amd64", platform="qemu")
