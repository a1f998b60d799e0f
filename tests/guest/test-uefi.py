#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""UEFI firmware, whose virtio drivers are its own, boots a guest from our blk."""

import pathlib
import shutil
import subprocess

import lab as guest_lab
from lab import MIB

FIRMWARE = pathlib.Path("/usr/share/OVMF/OVMF_CODE_4M.fd")


def boot_disk(lab):
    """A disk with one FAT file system that holds the kernel (an EFI program), its initrd and a start-up script."""
    for tool in ("mkfs.vfat", "mcopy"):
        if not shutil.which(tool):
            guest_lab.skip(f"{tool} is missing")
    image = lab.image("efi.img", 64 * MIB)
    script = lab.folder / "startup.nsh"
    script.write_text("vmlinuz.efi initrd=\\initrd.img console=hvc0 quiet root=/dev/vdb ro\r\n")
    subprocess.run(["mkfs.vfat", "-F", "32", str(image)], check=True, capture_output=True)
    for source, name in ((lab.images / "vmlinuz", "vmlinuz.efi"), (lab.images / "initrd.img", "initrd.img"),
                         (script, "startup.nsh")):
        subprocess.run(["mcopy", "-i", str(image), str(source), "::" + name], check=True)
    return image


def body(lab):
    guest_lab.need(FIRMWARE)
    firmware = lab.folder / "OVMF.fd"
    shutil.copyfile(FIRMWARE, firmware)
    bundle = lab.bundle("uefi", [])
    guest_lab.place(firmware, bundle / "OVMF.fd")
    guest_lab.place(boot_disk(lab), bundle / "efi.img")
    lab.edit(bundle, lambda vm: vm.update(kernel=None, firmware="OVMF.fd",
                                          devices=[{"id": "boot", "type": "blk", "image": "efi.img", "readOnly": True},
                                                   *vm["devices"]]))
    machine = lab.start(bundle).connect()
    lab.point("hvc0" in machine.must("cat /proc/cmdline"),
              "firmware loads kernel and initrd from our blk and starts them")
    lab.point(machine.run("[ -d /sys/firmware/efi ]")[0] == 0, "the guest was booted by UEFI")
    platform = machine.state()["annotations"]["io.busbar.platform"]
    lab.point(platform == "qemu", f"auto chose {platform}")
    machine.shell.send("exit")
    machine.wait_stopped()


# kvm boots no firmware, so auto has to pass it over.
guest_lab.run_test("uefi", body, arch="amd64", platform="auto")
