/* SPDX-License-Identifier: MPL-2.0 */
/* Architectures without a test guest: whether a virtual machine with a CPU can be made is all that is asked. */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "platform/kvm-probe.h"

int kvm_probe_guest(int kvm_fd)
{
        int vm = ioctl(kvm_fd, KVM_CREATE_VM, 0);

        if (vm < 0 || ioctl(vm, KVM_CREATE_VCPU, 0) < 0)
                return -errno;
        return 0;
}
