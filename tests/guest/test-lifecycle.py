#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""What may go wrong around a machine: each ends with a clear word and with nothing left behind."""

import json
import os
import signal
import subprocess

import lab as guest_lab
from lab import MIB


def orderly_verbs(lab):
    machine = lab.start(lab.bundle("verbs", [{"id": "rng", "type": "rng"}])).connect()
    lab.point(machine.status() == "running", "state says running")
    lab.busbar("pause", "verbs")
    guest_lab.until("paused", 20, lambda: machine.status() == "paused")
    lab.busbar("resume", "verbs")
    guest_lab.until("running", 20, lambda: machine.status() == "running")
    lab.point(machine.run("true")[0] == 0, "a paused and resumed guest answers")
    lab.point(machine.must("cat /sys/class/misc/hw_random/rng_current").startswith("virtio_rng"), "its entropy is ours")
    lab.point(len(machine.must("dd if=/dev/hwrng bs=64 count=1 2>/dev/null | od -An -tx1 | tr -d ' \\n'")) == 128,
              "which it can read")
    machine.restart()
    lab.point(machine.status() == "running", "a guest that restarts itself comes back")
    lab.busbar("kill", "verbs", "KILL")
    machine.wait_stopped()
    lab.busbar("delete", "verbs")
    lab.point(machine.status() is None, "kill and delete")


def supervisor_killed(lab):
    machine = lab.start(lab.bundle("orphan", [])).connect()
    pids = [pid for pid, _ in lab.processes()]
    os.kill(machine.state()["busbar"]["supervisorPid"], signal.SIGKILL)
    guest_lab.until("children gone", 20, lambda: not lab.processes())
    machine.wait_stopped(20)
    lab.point(True, f"supervisor killed: its {len(pids)} processes are gone, the state says {machine.status()}")
    lab.busbar("delete", "orphan")


def guest_crash(lab):
    machine = lab.start(lab.bundle("crash", [], parameters="panic=1")).connect()
    machine.shell.send("echo c >/proc/sysrq-trigger")
    machine.shell.read_until(guest_lab.PROMPT, guest_lab.BOOT_DEADLINE)
    lab.point(machine.run("true")[0] == 0, "a guest that crashes restarts with the same servers")
    lab.busbar("delete", "--force", "crash")


def disk_full(lab):
    """The bundle lies on a file system that is smaller than its image: writes that find no room fail, no others do."""
    bundle = lab.bundle("full", [])
    size = sum(path.stat().st_size for path in bundle.iterdir()) // MIB + 8
    small = lab.folder / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(small)], check=False,
                      capture_output=True).returncode != 0:
        lab.note("disk full: not permitted to mount a small file system, not tested")
        return
    try:
        target = small / "full"
        subprocess.run(["cp", "-r", "--", str(bundle), str(target)], check=True)
        with open(target / "data.img", "wb") as out:
            out.truncate(64 * MIB)
        config = json.loads((target / "config.json").read_text())
        config["vm"]["devices"].insert(1, {"id": "data", "type": "blk", "image": "data.img"})
        (target / "config.json").write_text(json.dumps(config))
        machine = lab.start(target).connect()
        status, _ = machine.run("dd if=/dev/zero of=/dev/vdb bs=1M count=60 oflag=direct")
        lab.point(status != 0, "disk full: the guest's write fails")
        status, _ = machine.run("dd if=/dev/vdb of=/dev/null bs=1M count=60 iflag=direct")
        lab.point(status == 0, "reads go on")
        machine.must("blkdiscard /dev/vdb && dd if=/dev/zero of=/dev/vdb bs=1M count=2 oflag=direct")
        lab.point(True, "once the guest has given room back it writes again")
        lab.busbar("delete", "--force", "full")
    finally:
        lab.stop_all()
        subprocess.run(["umount", "-l", str(small)], check=True)


def refused_starts(lab):
    bundle = lab.bundle("broken", [{"id": "data", "type": "blk", "image": lab.image("data.img", MIB)}])
    os.unlink(bundle / "data.img")
    result = lab.busbar("create", "--bundle", bundle, "broken", check=False)
    lab.point(result.returncode != 0 and "data.img" in result.stderr, f"image missing: {result.stderr.strip()}")
    lab.point(not lab.processes(), "and nothing runs")

    shared = lab.image("shared.img", MIB)
    first = lab.start(lab.bundle("first", [{"id": "data", "type": "blk", "image": shared}]))
    second = lab.bundle("second", [{"id": "data", "type": "blk", "image": shared}])
    result = lab.busbar("create", "--bundle", second, "second", check=False)
    lab.point(result.returncode != 0 and "use" in result.stderr, f"image in use: {result.stderr.strip()}")
    lab.point(first.status() == "running", "and the one who has it runs on")
    result = lab.busbar("create", "--bundle", second, "first", check=False)
    lab.point(result.returncode != 0 and "first" in result.stderr, f"name taken: {result.stderr.strip()}")
    lab.busbar("delete", "--force", "first")
    lab.busbar("delete", "--force", "second", check=False)


def body(lab):
    for scenario in (orderly_verbs, supervisor_killed, guest_crash, disk_full, refused_starts):
        scenario(lab)


guest_lab.run_test("lifecycle", body)
