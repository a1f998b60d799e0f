# SPDX-License-Identifier: MPL-2.0
"""Runs on a board (boards.py) and prints a JSON object a measurement:
{"case": ..., "side": ..., "values": {metric: value}}.

usage: on_board.py ARCH ROUNDS

Times are those of the kernel's tracer: from the exec of the monitor to the first entry into the guest, to the exit by
which the tiny kernel of first.py ends the machine, and to the moment at which "busbar: userland" is on the console.
"""
import json
import os
import pathlib
import re
import resource
import select
import socket
import subprocess
import sys
import time

import first

HERE = pathlib.Path(__file__).resolve().parent
GUESTS = HERE.parent / 'guests'
TRACE = pathlib.Path('/sys/kernel/debug/tracing')
FOLDER = pathlib.Path('/tmp/bench')
PROMPT, DEADLINE_S = 'busbar# ', 240
MEMORY_MIB = 256
EVENT = re.compile(r'\s(\d+\.\d+): (\w+): (.*)')
LAST_EXITS = ('KVM_EXIT_SHUTDOWN', 'KVM_EXIT_SYSTEM_EVENT')


def tell(case, side, **values):
    print(json.dumps({'case': case, 'side': side,
                      'values': {k.replace('_', ' '): round(v, 4) for k, v in values.items()}}), flush=True)


class Tracer:
    """The kernel's tracer with some events switched on, from `with` to its end."""

    def __init__(self, *events):
        self.switches = [TRACE / 'events' / event / 'enable' for event in events]

    def __enter__(self):
        (TRACE / 'trace_clock').write_text('mono')
        (TRACE / 'buffer_size_kb').write_text('8192')
        (TRACE / 'trace').write_text('')
        for switch in self.switches:
            switch.write_text('1')
        return self

    def __exit__(self, *_):
        for switch in self.switches:
            switch.write_text('0')

    def events(self):
        """[(seconds, name, text)] so far."""
        return [(float(m[1]), m[2], m[3]) for m in map(EVENT.search, (TRACE / 'trace').read_text().splitlines()) if m]


def exec_time(events, pid):
    return next(at for at, name, text in events if name == 'sched_process_exec' and f' pid={pid} ' in text + ' ')


class Servers:
    """Four device servers that all sides are served by in turn: disk, network, entropy, console."""

    def __init__(self, busbar):
        FOLDER.mkdir(exist_ok=True)
        specs = {'blk': [f'--image={GUESTS}/test/root.squashfs', '--read-only'], 'net': ['--uplink=user'], 'rng': [],
                 'console': [f'--socket={FOLDER}/shell', '--scrollback=0']}
        self.processes = []
        for kind, more in specs.items():
            ready, theirs = os.pipe()
            self.processes.append(subprocess.Popen(
                [busbar, 'device', kind, f'--socket-path={FOLDER}/{kind}', f'--ready-fd={theirs}', '--log-level=error',
                 *more],
                pass_fds=[theirs], stdin=subprocess.DEVNULL))
            os.close(theirs)
            os.read(ready, 64)
            os.close(ready)

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()


def busbar_words(kernel, parameters):
    devices = [('root', 'blk'), ('eth0', 'net'), ('rng', 'rng'), ('tty', 'console')]
    words = ['busbar', 'monitor', '--kernel', kernel, '--initrd', f'{GUESTS}/base/initrd.img',
             '--parameters', parameters, '--memory', f'{MEMORY_MIB}M']
    for name, kind in devices:
        words += ['--device', f'id={name},type={kind},socket={FOLDER}/{kind}']
    return words


QEMU_MACHINES = {
    'microvm': ['qemu-system-x86_64', '-M',
                'microvm,pcie=on,pit=off,pic=off,rtc=off,isa-serial=off,memory-backend=ram'],
    'q35': ['qemu-system-x86_64', '-M',
            'q35,usb=off,sata=off,smbus=off,vmport=off,graphics=off,hpet=off,i8042=off,memory-backend=ram'],
    'virt': ['qemu-system-aarch64', '-M', 'virt,gic-version=host,acpi=off,memory-backend=ram'],
}


def qemu_words(machine, kernel, parameters):
    """QEMU has no vhost-user console: its own one is at a socket of ours."""
    return QEMU_MACHINES[machine] + [
        '-accel', 'kvm', '-cpu', 'host', '-smp', '1', '-m', f'{MEMORY_MIB}M',
        '-object', f'memory-backend-memfd,id=ram,size={MEMORY_MIB}M,share=on,seal=on',
        '-no-user-config', '-nodefaults', '-display', 'none', '-no-reboot',
        '-kernel', kernel, '-initrd', f'{GUESTS}/base/initrd.img', '-append', parameters,
        '-chardev', f'socket,id=c0,path={FOLDER}/blk', '-device', 'vhost-user-blk-pci,chardev=c0,disable-legacy=on',
        '-chardev', f'socket,id=c1,path={FOLDER}/net', '-netdev', 'vhost-user,id=n1,chardev=c1',
        '-device', 'virtio-net-pci,netdev=n1,romfile=,disable-legacy=on',
        '-chardev', f'socket,id=c2,path={FOLDER}/rng', '-device', 'vhost-user-rng-pci,chardev=c2',
        '-chardev', f'socket,id=c3,path={FOLDER}/qemu-shell', '-device', 'virtio-serial-pci,max_ports=1',
        '-device', 'virtconsole,chardev=c3']


class Run:
    """One run of a monitor; `shell` is the guest's console."""

    def __init__(self, side, kernel, parameters):
        words = busbar_words(kernel, parameters) if side == 'busbar' else qemu_words(side, kernel, parameters)
        self.shell, self.text, self.listener = None, '', None
        if side == 'busbar':
            self.shell = socket.socket(socket.AF_UNIX)
            self.shell.connect(f'{FOLDER}/shell')
        else:
            pathlib.Path(f'{FOLDER}/qemu-shell').unlink(missing_ok=True)
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(f'{FOLDER}/qemu-shell')
            self.listener.listen()
        self.log = open(FOLDER / 'log', 'w+b')
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def read_until(self, marker):
        """Returns the time at which it came."""
        end = time.monotonic() + DEADLINE_S
        while marker not in self.text:
            source = self.shell or self.listener
            ready, _, _ = select.select([source], [], [], max(end - time.monotonic(), 0))
            if not ready:
                raise TimeoutError(f'no {marker!r}; last: {self.text[-500:]!r}; {self.words()}')
            if not self.shell:
                self.shell, _ = self.listener.accept()
                continue
            data = self.shell.recv(65536)
            if not data:
                raise ConnectionError(f'closed before {marker!r}: {self.text[-500:]!r}; {self.words()}')
            self.text += data.decode(errors='replace').replace('\r', '')
        at = time.monotonic()
        self.text = self.text.split(marker, 1)[1]
        return at

    def must(self, command):
        self.shell.sendall(f'({command}) >/tmp/out 2>&1 && echo @@"ok" || echo @@"failed"\n'.encode())
        end = time.monotonic() + DEADLINE_S
        self.read_until('@@')
        while PROMPT not in self.text and time.monotonic() < end:
            self.text += self.shell.recv(4096).decode(errors='replace').replace('\r', '')
        word, self.text = self.text.split(PROMPT, 1)
        if not word.startswith('ok'):
            raise RuntimeError(f'in the guest: {command}: {word!r}')

    def cpu_ms(self):
        """Of all its threads: its process CPU clock, see clock_getcpuclockid(3)."""
        return time.clock_gettime_ns((~self.process.pid << 3) | 2) / 1e6

    def words(self):
        self.log.seek(0)
        return self.log.read().decode(errors='replace')[-1000:]

    def end(self):
        """Kills it; returns the CPU time of its whole life in ms."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.process.kill()
        self.process.wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        for thing in (self.shell, self.listener, self.log):
            if thing:
                thing.close()
        return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def first_instruction(side, kernel):
    with Tracer('sched/sched_process_exec', 'kvm/kvm_entry', 'kvm/kvm_userspace_exit') as tracer:
        run = Run(side, kernel, '')
        run.process.wait(DEADLINE_S)
        words = run.words()
        events = tracer.events()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_ms = (used.ru_utime + used.ru_stime) * 1000 - first_instruction.used_ms
    first_instruction.used_ms += cpu_ms
    run.end()
    begun = exec_time(events, run.process.pid)
    entry = next((at for at, name, _ in events if name == 'kvm_entry'), None)
    last = next((at for at, name, text in events
                 if name == 'kvm_userspace_exit' and any(e in text for e in LAST_EXITS)), None)
    if not entry or not last:
        raise RuntimeError(f'{side}: the tiny kernel did not run: {words}')
    tell('first instruction', side, wall_ms_to_any=(entry - begun) * 1000, wall_ms_to_the_kernel=(last - begun) * 1000,
         CPU_ms_of_the_whole_run=cpu_ms)


def own_memory_kib(pid):
    """Its proportional share of all mappings but the guest's memory."""
    total, guests = 0, False
    for line in pathlib.Path(f'/proc/{pid}/smaps').read_text().splitlines():
        head = re.match(r'([0-9a-f]+)-([0-9a-f]+) ', line)
        if head:
            guests = '/memfd:' in line and int(head[2], 16) - int(head[1], 16) >= 64 << 20
        elif line.startswith('Pss:') and not guests:
            total += int(line.split()[1])
    return total


def exits_of(tracer, run, command, n_few, n_many):
    """Exits to the monitor for each of the requests that command(n_many) makes more than command(n_few)."""
    counts = []
    for n in (n_few, n_many):
        (TRACE / 'trace').write_text('')
        run.must(command(n))
        counts.append(sum(name == 'kvm_userspace_exit' for _, name, _ in tracer.events()))
    return max(counts[1] - counts[0], 0) / (n_many - n_few)


def userland(side, kernel, parameters):
    with Tracer('sched/sched_process_exec') as tracer:
        run = Run(side, kernel, parameters)
        at = run.read_until('busbar: userland')
        cpu_ms = run.cpu_ms()
        begun = exec_time(tracer.events(), run.process.pid)
    tell('userland', side, wall_ms=(at - begun) * 1000, CPU_ms=cpu_ms)
    return run


def steady_state(side, run):
    run.read_until(PROMPT)
    tell('four devices', side, memory_KiB_beyond_the_guest=own_memory_kib(run.process.pid))
    run.must('ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0 && ping -c 2 10.0.2.2')
    with Tracer('kvm/kvm_userspace_exit') as tracer:
        blk = exits_of(tracer, run, lambda n: f'dd if=/dev/vda of=/dev/null bs=4k count={n} iflag=direct', 100, 1100)
        net = exits_of(tracer, run, lambda n: f'ping -c {n} -i 0.01 10.0.2.2', 20, 120)
    tell('exits to the monitor', side, exits_per_request_of_blk=blk, exits_per_request_of_net=net)


def main():
    arch, rounds = sys.argv[1], int(sys.argv[2])
    sides = ['busbar'] + (['microvm', 'q35'] if arch == 'amd64' else ['virt'])
    kernel = f"{GUESTS}/test/{'vmlinux' if arch == 'amd64' else 'vmlinuz'}"
    servers = Servers('busbar')
    try:
        first.write(arch, FOLDER / 'first')
        for _ in range(rounds):
            for side in sides:
                first_instruction(side, str(FOLDER / 'first'))
        for i in range(max(rounds // 2, 1)):
            for side in sides:
                run = userland(side, kernel, 'console=hvc0 quiet cryptomgr.notests root=/dev/vda ro panic=-1')
                if i == 0:
                    steady_state(side, run)
                run.end()
    finally:
        servers.stop()


first_instruction.used_ms = 0
if __name__ == '__main__':
    main()
