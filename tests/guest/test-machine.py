#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""A stock kernel uses every device, over PCI and over MMIO, on one CPU and on four; restarts itself, powers off, is
killed, and the exit status of `busbar run` says which."""

import subprocess

import lab as guest_lab
from lab import ARCH, MIB, PLATFORM

# Where software emulates, each CPU and each start costs seconds.
SHAPES = [("pci", 4), ("mmio", 1)] if PLATFORM == "qemu" else [("pci", 1), ("pci", 4), ("mmio", 1), ("mmio", 4)]

SMP_LOAD = ("fio --name=load --filename=/dev/vdb --direct=1 --ioengine=libaio --iodepth=4 --rw=randwrite --bs=4k "
            "--size=2m --offset_increment=4m --numjobs=4 --cpus_allowed=0-3 --cpus_allowed_policy=split "
            "--verify=crc32c --verify_fatal=1 --do_verify=1 --group_reporting --output=/tmp/fio.log")


def bundle_of(lab, transport, vcpus):
    name = f"{transport}{vcpus}"
    return lab.bundle(name, [
        {"id": "data", "type": "blk", "image": lab.image(f"data-{name}.img", 16 * MIB), "transport": transport},
        {"id": "eth0", "type": "net", "network": "backbone", "transport": transport},
        {"id": "rng", "type": "rng", "transport": transport},
    ], vcpus=vcpus)


def devices_used(lab, machine, what):
    machine.must("dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null "
                 "&& dd if=/tmp/data of=/dev/vdb bs=1M oflag=direct 2>/dev/null "
                 "&& dd if=/dev/vdb bs=1M count=8 iflag=direct 2>/dev/null | cmp - /tmp/data")
    lab.point(True, f"{what}: blk reads back what it wrote")
    machine.must("ip link set eth0 up && udhcpc -i eth0 -n -q -t 10 -s /bin/true")
    lab.point(True, f"{what}: net gets an address from the uplink")
    machine.must("ip addr add 10.0.2.15/24 dev eth0; ping -c 3 10.0.2.2")
    lab.point(True, f"{what}: net passes pings")
    source = machine.must("cat /sys/class/misc/hw_random/rng_current").strip()
    n_bytes = machine.must("dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c").strip()
    lab.point(source.startswith("virtio_rng") and n_bytes == "64", f"{what}: rng is ours and gives {n_bytes} bytes")


def smp_load(lab, machine, what):
    machine.must("(ping -i 0.02 10.0.2.2 >/tmp/ping.log 2>&1 </dev/null & echo $! >/tmp/ping.pid)")
    machine.must(SMP_LOAD)
    machine.must("kill -INT $(cat /tmp/ping.pid)")
    n_pings = int(machine.must("grep -c seq= /tmp/ping.log"))
    lab.point(n_pings > 0, f"{what}: four CPUs write and verify a disk each, {n_pings} pings pass meanwhile")
    lab.note(f"{what}: interrupts: " + "; ".join(
        " ".join(line.split()) for line in machine.must("grep virtio /proc/interrupts").splitlines()))


def shape(lab, transport, vcpus):
    what = f"{ARCH}, {transport}, {vcpus} CPU" + "s" * (vcpus > 1)
    machine = lab.start(bundle_of(lab, transport, vcpus))
    begun = guest_lab.now()
    machine.connect()
    lab.note(f"{what}: up after {guest_lab.now() - begun:.1f} s on "
             f"{machine.state()['annotations'].get('io.busbar.platform', '?')}")
    lab.point(machine.must("nproc").strip() == str(vcpus), f"{what}: all of them run")
    if ARCH == "arm64":
        lab.point(machine.run("[ -e /proc/device-tree/compatible ]")[0] == 0, f"{what}: hardware comes by device tree")
    devices_used(lab, machine, what)
    if vcpus > 1:
        smp_load(lab, machine, what)
        machine.restart()
        lab.point(machine.must("nproc").strip() == str(vcpus),
                  f"{what}: all of them are back after the guest restarted itself")
        devices_used(lab, machine, what + ", restarted")
    errors = machine.must("dmesg | grep -ciE 'virtio.*(error|fail)|NETDEV WATCHDOG|soft lockup|rcu.*stall' "
                          "|| true").strip()
    lab.point(errors == "0", f"{what}: the kernel complained of nothing ({errors})")
    machine.shell.send("exit")
    machine.wait_stopped()
    lab.busbar("delete", machine.name)


def run_in_foreground(lab, name):
    """`busbar run` of a bundle; returns the process, whose standard input and output are the guest's console."""
    lab.bundle(name, [])
    process = subprocess.Popen([str(guest_lab.BUSBAR), "--root", str(lab.root), "run", "--platform", PLATFORM,
                                "--bundle", str(lab.folder / name), name],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lab.started.append(name)
    shell = guest_lab.Console(process.stdin.fileno(), process.stdout.fileno())
    shell.read_until(guest_lab.PROMPT, guest_lab.BOOT_DEADLINE)
    return process, shell


def ending(lab, name, how, expected):
    process, shell = run_in_foreground(lab, name)
    how(shell)
    status = process.wait(60)
    lab.point(status == expected, f"{name}: exit status {status}, expected {expected}")
    if status != expected:
        lab.note(process.stderr.read().decode(errors="replace"))
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()


def body(lab):
    for transport, vcpus in SHAPES:
        if transport == "mmio" and PLATFORM == "qemu" and ARCH == "amd64":
            lab.note("mmio: QEMU's x86 board has none")
            continue
        shape(lab, transport, vcpus)
    ending(lab, "poweroff", lambda shell: shell.send("poweroff -f"), 0)
    ending(lab, "killed", lambda shell: lab.busbar("kill", "killed", "KILL"), 137)


guest_lab.run_test("machine", body)
