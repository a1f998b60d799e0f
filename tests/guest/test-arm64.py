#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""An arm64 bundle: the hardware is described by device tree, every device type is used, over PCI and over MMIO."""

import lab as guest_lab
from lab import MIB


def devices_used(lab, machine, what):
    lab.point("virt" in machine.must("tr '\\0' ' ' </proc/device-tree/model; ls /sys/firmware"), f"{what}: hardware comes by device tree")
    machine.must("dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null && dd if=/tmp/data of=/dev/vdb bs=1M oflag=direct 2>/dev/null "
                 "&& dd if=/dev/vdb bs=1M count=8 iflag=direct 2>/dev/null | cmp - /tmp/data")
    lab.point(True, f"{what}: blk reads back what it wrote")
    machine.must("ip link set eth0 up && udhcpc -i eth0 -n -q -t 10 -s /bin/true")
    lab.point(True, f"{what}: net gets an address from the uplink")
    lab.point(machine.must("cat /sys/class/misc/hw_random/rng_current").startswith("virtio_rng"), f"{what}: rng is ours")


def body(lab):
    for transport in ("pci", "mmio"):
        bundle = lab.bundle("arm-" + transport, [
            {"id": "data", "type": "blk", "image": lab.image(f"data-{transport}.img", 16 * MIB), "transport": transport},
            {"id": "eth0", "type": "net", "network": "backbone", "transport": transport},
            {"id": "rng", "type": "rng", "transport": transport},
        ])
        machine = lab.start(bundle).connect()
        devices_used(lab, machine, "arm64 " + transport)
        machine.shell.send("exit")
        machine.wait_stopped()
        lab.busbar("delete", machine.name)


guest_lab.run_test("arm64", body, arch="arm64")
