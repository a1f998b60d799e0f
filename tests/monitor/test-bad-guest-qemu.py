#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The misbehaving guest under QEMU, with our device servers: proves that its cases are right about VIRTIO where QEMU
agrees, and that the servers bear what comes through another monitor.

usage: test-bad-guest-qemu.py q35|microvm|virt [WORD]...      words go to the guest's command line
"""

import shutil
import subprocess
import sys

import bad_guest

BOARDS = {
    "q35": ("x86_64", ["-machine", "q35,memory-backend=ram", "-cpu", "max"],
            "ecam=0xb0000000 window=0xfe000000 window-bytes=0x800000 mmio-slots=0"),
    "microvm": ("x86_64", ["-machine", "microvm,memory-backend=ram,acpi=on,pcie=off,rtc=off", "-cpu", "max",
                           "-global", "virtio-mmio.force-legacy=false"],
                "ecam=0 mmio=0xfeb00000 mmio-stride=0x200 mmio-slots=24"),
    "virt": ("aarch64", ["-machine", "virt,memory-backend=ram,highmem=off,acpi=off", "-cpu", "cortex-a76",
                         "-global", "virtio-mmio.force-legacy=false"],
             "ecam=0x3f000000 window=0x10000000 window-bytes=0x2eff0000 mmio=0x0a000000 mmio-stride=0x200 "
             "mmio-slots=32 serial=0x09000000"),
}


def devices(board, sockets, reconnect):
    for i, (name, path) in enumerate(sockets.items()):
        # QEMU leaves a server whose refusal it does not understand, and its vhost-user-rng cannot come back.
        again = "" if name.startswith("rng") else reconnect
        yield from ("-chardev", f"socket,id=c{i},path={path}{again}", "-device")
        kind = "vhost-user-" + name[:3]
        if board == "q35" or (board == "virt" and i >= 2):
            yield f"{kind}-pci,chardev=c{i},addr={i + 4:#x}" + (",disable-legacy=on" if "blk" in kind else "")
        else:
            yield f"{kind},chardev=c{i}"


def body(rig):
    board = sys.argv[1]
    arch, machine, places = BOARDS[board]
    binary = shutil.which(f"qemu-system-{arch}")
    if not binary:
        bad_guest.skip(f"qemu-system-{arch} is missing")
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.split()[3]
    reconnect = ",reconnect-ms=20" if tuple(map(int, version.split(".")[:2])) >= (9, 2) else ",reconnect=1"
    kernel = bad_guest.guest_path(arch)
    sockets = rig.serve_all(["rng0", "blk0", "rng1", "blk1"])
    status, said = rig.run([
        binary, "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", "-accel", "tcg", *machine,
        "-m", f"{bad_guest.MEMORY_MIB}M",
        "-object", f"memory-backend-memfd,id=ram,size={bad_guest.MEMORY_MIB}M,share=on,seal=on",
        "-serial", "stdio", "-kernel", kernel, "-append", " ".join(["peer", places, *sys.argv[2:]]),
        *devices(board, sockets, reconnect)])
    rig.take_points(said)
    rig.point(status == 0, f"QEMU ends well ({status})")
    rig.servers_live()


bad_guest.run_test(body)
