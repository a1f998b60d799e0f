# SPDX-License-Identifier: MPL-2.0
"""Drives one PCI device of QEMU from outside of its guest: registers by the protocol of -qtest, rings and buffers in
memory that is shared by a file. The guest's only processor sleeps, so what QEMU's process costs is what its device
costs.

Spec: VIRTIO 1.4, 4.1 (PCI), 2.7 (split ring).
"""
import mmap
import pathlib
import socket
import struct

from common import BenchError, SERVER_CPU, Server

MEMORY_BYTES = 64 << 20
BAR = 0xfe000000
QUEUE_SIZE = 64


def sleeping_firmware(folder):
    """At the reset vector: cli; hlt; jmp to the hlt."""
    path = pathlib.Path(folder) / 'sleep.bin'
    path.write_bytes(bytes(0xfff0) + b'\xfa\xf4\xeb\xfd'.ljust(16, b'\0'))
    return path


class Queue:
    """A split ring whose descriptors 3 i to 3 i + 2 are those of buffer i."""

    def __init__(self, device, index, at):
        self.device, self.index, self.at = device, index, at
        self.avail, self.used = at + 16 * QUEUE_SIZE, at + 0x1000
        self.n_avail = self.n_used = 0
        self.notify = None

    def describe(self, i, pieces):
        """Pieces: (address, length, device writes)."""
        for k, (address, length, writes) in enumerate(pieces):
            last = k == len(pieces) - 1
            self.device.put(self.at + 16 * (3 * i + k),
                            struct.pack('<QIHH', address, length, (0 if last else 1) | (2 if writes else 0),
                                        0 if last else 3 * i + k + 1))

    def add(self, i):
        self.device.put(self.avail + 4 + 2 * (self.n_avail % QUEUE_SIZE), struct.pack('<H', 3 * i))
        self.n_avail = self.n_avail + 1 & 0xffff
        self.device.put(self.avail + 2, struct.pack('<H', self.n_avail))

    def kick(self):
        self.device.command(f'writew {self.notify:#x} {self.index:#x}')

    def get(self):
        """The next buffer that is back, or None."""
        if struct.unpack_from('<H', self.device.memory, self.used + 2)[0] == self.n_used:
            return None
        i = struct.unpack_from('<I', self.device.memory, self.used + 4 + 8 * (self.n_used % QUEUE_SIZE))[0] // 3
        self.n_used = self.n_used + 1 & 0xffff
        return i


class Device:
    """A virtio device of a QEMU of its own. @words: its -device and what that needs."""

    def __init__(self, folder, words):
        ram, path = f'{folder}/ram', f'{folder}/qtest'
        with open(ram, 'wb') as f:
            f.truncate(MEMORY_BYTES)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        self.server = Server(['qemu-system-x86_64', '-machine', 'pc,memory-backend=ram', '-accel', 'tcg', '-nodefaults',
                              '-display', 'none', '-m', str(MEMORY_BYTES >> 20), '-object',
                              f'memory-backend-file,id=ram,size={MEMORY_BYTES},mem-path={ram},share=on', '-bios',
                              str(sleeping_firmware(folder)), '-qtest', f'unix:{path}', '-qtest-log', '/dev/null',
                              *words],
                             cpus=(SERVER_CPU,))
        listener.settimeout(20)
        try:
            self.socket = listener.accept()[0]
        except TimeoutError as error:
            raise BenchError('QEMU did not connect') from error
        self.reader = self.socket.makefile('r')
        with open(ram, 'r+b') as f:
            self.memory = mmap.mmap(f.fileno(), MEMORY_BYTES)
        self.find()

    def put(self, at, data):
        self.memory[at:at + len(data)] = data

    def command(self, text):
        self.socket.sendall(text.encode() + b'\n')
        while True:
            line = self.reader.readline().split()
            if not line:
                raise BenchError('QEMU went away')
            if line[0] == 'OK':
                return int(line[1], 0) if len(line) > 1 else 0
            if line[0] in ('FAIL', 'ERR'):
                raise BenchError(f'QEMU refused {text}')

    def config(self, offset, size='l', value=None):
        self.command(f'outl 0xcf8 {0x80000000 | self.slot << 11 | offset & ~3:#x}')
        port = 0xcfc + (offset & 3)
        return self.command(f'in{size} {port:#x}' if value is None else f'out{size} {port:#x} {value:#x}')

    def find(self):
        """The first virtio device: memory at BAR, places of its structures."""
        for self.slot in range(32):
            if self.config(0) & 0xffff == 0x1af4:
                break
        else:
            raise BenchError('QEMU has no virtio device')
        self.structures, bars = {}, set()
        at = self.config(0x34, 'b')
        while at:
            if self.config(at, 'b') == 9:
                kind, bar = self.config(at + 3, 'b'), self.config(at + 4, 'b')
                if kind in (1, 2, 4) and kind not in self.structures:
                    bars.add(bar)
                    self.structures[kind] = (BAR + self.config(at + 8), self.config(at + 16) if kind == 2 else 0)
            at = self.config(at + 1, 'b')
        (bar,) = bars
        self.config(0x10 + 4 * bar, 'l', BAR)
        self.config(0x14 + 4 * bar, 'l', 0)
        self.config(4, 'w', 6)

    def common(self, offset, size, value=None):
        at = self.structures[1][0] + offset
        return self.command(f'read{size} {at:#x}' if value is None else f'write{size} {at:#x} {value:#x}')

    def start(self, n_queues, at=0x100000):
        """VERSION_1 and nothing else; all queues; DRIVER_OK. Their rings are at @at."""
        self.common(20, 'b', 0)
        self.common(20, 'b', 3)
        for word, value in ((0, 0), (1, 1)):
            self.common(8, 'l', word)
            self.common(12, 'l', value)
        self.common(20, 'b', 11)
        queues = []
        for i in range(n_queues):
            q = Queue(self, i, at + i * 0x4000)
            self.common(22, 'w', i)
            self.common(24, 'w', QUEUE_SIZE)
            q.notify = self.structures[2][0] + self.common(30, 'w') * self.structures[2][1]
            for offset, address in ((32, q.at), (40, q.avail), (48, q.used)):
                self.common(offset, 'l', address)
                self.common(offset + 4, 'l', 0)
            self.common(28, 'w', 1)
            queues.append(q)
        self.common(20, 'b', 15)
        return queues

    def stop(self):
        self.socket.close()
        self.server.stop()
