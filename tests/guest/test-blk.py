#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""A stock guest kernel on our blk: verified I/O over split and packed rings, and 20 kills of the server under it."""

import json

import lab as guest_lab
from lab import MIB

N_KILLS = 20

FIO = ("fio --name=v --filename={disk} --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite --bsrange=4k-64k "
       "--size={size} --verify=crc32c --verify_fatal=1 --do_verify=1 {more} --output-format=json "
       "--output=/tmp/fio-{tag}.json")


def fio_result(machine, tag):
    text = machine.must(f"cat /tmp/fio-{tag}.json")
    return json.loads(text[text.index("{"):])["jobs"][0]


def longest_stall_ms(job):
    return max(job[way]["clat_ns"]["max"] for way in ("read", "write")) / 1e6


def verified_io(lab, machine, disk, tag):
    machine.must(FIO.format(disk=disk, size="24m", tag=tag, more=""))
    job = fio_result(machine, tag)
    lab.point(job["error"] == 0 and job["read"]["total_ios"] > 0,
              f"{tag} ring: fio wrote, read back and verified 24 MiB")


def killed_server(lab, machine, device, disk):
    machine.must(FIO.format(disk=disk, size="24m", tag="kill", more="--loops=1000 --time_based --runtime=3600") +
                 " >/tmp/fio.log 2>&1 & echo $! >/tmp/fio.pid; until grep -q . /sys/block/{0}/stat; do :; done".format(
                     disk.rsplit("/", 1)[1]))
    for _ in range(N_KILLS):
        # The next kill comes only once the guest's I/O has gone on.
        before = int(machine.must(f"cut -d' ' -f-99 /sys/block/{disk[5:]}/stat").split()[4])
        guest_lab.until("I/O goes on", 60,
                        lambda: int(machine.must(f"cat /sys/block/{disk[5:]}/stat").split()[4]) > before + 8)
        machine.kill_server(device)
    machine.must("kill -INT $(cat /tmp/fio.pid); while kill -0 $(cat /tmp/fio.pid) 2>/dev/null; do usleep 50000; done")
    job = fio_result(machine, "kill")
    n_io = job["read"]["total_ios"] + job["write"]["total_ios"]
    lab.point(job["error"] == 0,
              f"{N_KILLS} kills of the blk server under verified I/O: 0 guest-visible errors in {n_io} requests")
    lab.note(f"longest stall {longest_stall_ms(job):.0f} ms")
    lab.point(machine.devices()[device]["restarts"] == N_KILLS, f"the supervisor counts {N_KILLS} restarts")
    verified_io(lab, machine, disk, "after-kills")
    errors = machine.must("dmesg | grep -ciE 'I/O error|virtio.*(error|fail)' || true").strip()
    lab.point(errors == "0", f"the guest's kernel saw no I/O error ({errors})")


def body(lab):
    split, packed = lab.image("split.img", 64 * MIB), lab.image("packed.img", 64 * MIB)
    bundle = lab.bundle("blk", [
        {"id": "split", "type": "blk", "image": split, "packed": False, "serial": "BB-SPLIT"},
        {"id": "packed", "type": "blk", "image": packed, "packed": True, "queues": 2},
    ])
    machine = lab.start(bundle).connect()
    lab.point(True, "stock kernel boots from a root disk that our server serves")
    lab.point("BB-SPLIT" in machine.must("cat /sys/block/vdb/serial"), "the serial arrives")
    bits = {disk: machine.must(f"cat /sys/block/{disk}/device/features").strip() for disk in ("vdb", "vdc")}
    lab.point(bits["vdb"][34] == "0" and bits["vdc"][34] == "1",
              "the packed ring is negotiated where it is asked for, only there")
    verified_io(lab, machine, "/dev/vdb", "split")
    verified_io(lab, machine, "/dev/vdc", "packed")
    machine.must("blkdiscard /dev/vdb && sync")
    lab.point(split.stat().st_blocks * 512 < MIB, "discard gives the image's blocks back to the host")
    status, _ = machine.run("dd if=/dev/zero of=/dev/vda bs=4096 count=1 oflag=direct")
    lab.point(status != 0, "a read-only disk refuses writes")
    killed_server(lab, machine, "split", "/dev/vdb")
    killed_server(lab, machine, "packed", "/dev/vdc")
    machine.shell.send("exit")
    machine.wait_stopped()
    lab.point(machine.status() == "stopped", "the guest powers itself off")


guest_lab.run_test("blk", body)
