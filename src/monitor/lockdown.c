/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/life.h"

#include <linux/kvm.h>
#include <sys/socket.h>

#include "monitor/spec.h"

/* Eventfds: three for each of a device's queues. */
#define FILES_BASE 256
#define FILES_PER_DEVICE 1024
#define ALL_32 0xffffffffU
#define IOCTL(command) SANDBOX_CALL_IF("ioctl", 1, ALL_32, (command))

/* What registers of devices do when a driver writes to them, on any thread. */
#define DEVICE_CALLS                                     \
        IOCTL(KVM_IOEVENTFD),                            \
        IOCTL(KVM_IRQFD),                                \
        IOCTL(KVM_IRQ_LINE),                             \
        IOCTL(KVM_SET_GSI_ROUTING)

/* The main thread reads boot files, sets the boot CPU up, connects again to servers that died. */
static const struct sandbox_call main_calls[] = {
        DEVICE_CALLS,
        SANDBOX_CALL("connect"),
        IOCTL(KVM_GET_SREGS),
        IOCTL(KVM_KVMCLOCK_CTRL),
        IOCTL(KVM_SET_FPU),
        IOCTL(KVM_SET_ONE_REG),
        IOCTL(KVM_SET_REGS),
        IOCTL(KVM_SET_SREGS),
        SANDBOX_CALL("lseek"),
        SANDBOX_CALL("pread64"),
        SANDBOX_CALL("preadv"),
        SANDBOX_CALL("sendfile"),
        SANDBOX_CALL_IF("socket", 0, ALL_32, AF_UNIX),
        SANDBOX_CALL_IF("socketpair", 0, ALL_32, AF_UNIX),
        { .name = NULL },
};

static const struct sandbox_call vcpu_calls[] = {
        DEVICE_CALLS,
        SANDBOX_CALL("eventfd2"),
        SANDBOX_CALL("fcntl"),
        SANDBOX_CALL("fstat"),
        IOCTL(KVM_RUN),
        SANDBOX_CALL("poll"),
        SANDBOX_CALL("ppoll"),
        SANDBOX_CALL("pwrite64"),
        SANDBOX_CALL_IF("recvfrom", 4, UINT64_MAX, 0),
        SANDBOX_CALL("recvmsg"),
        SANDBOX_CALL("sendmsg"),
        SANDBOX_CALL_IF("sendto", 4, UINT64_MAX, 0),
        SANDBOX_CALL("shutdown"),
        { .name = NULL },
};

int lockdown_enter(struct lockdown *l, struct monitor *m)
{
        int r;

        sandbox_init(&l->sandbox, m->spec->name);
        l->sandbox.n_files_max = FILES_BASE + FILES_PER_DEVICE * m->spec->n_devices;
        l->sandbox.own_threads = true;
        r = sandbox_allow_calls(&l->sandbox, main_calls);
        return r < 0 ? r : sandbox_enter(&l->sandbox);
}

int lockdown_prepare_vcpus(struct lockdown *l, struct monitor *m)
{
        int r = sandbox_thread_filter_new(m->spec->name, vcpu_calls, &l->vcpu_filter);

        m->vcpu_filter = l->vcpu_filter;
        return r;
}

void lockdown_deinit(struct lockdown *l)
{
        l->vcpu_filter = sandbox_thread_filter_free(l->vcpu_filter);
        sandbox_deinit(&l->sandbox);
}
