# SPDX-License-Identifier: MPL-2.0
"""A guest's virtio-gpu driver in 2D that runs in a test's process: against a vhost-user server, or against QEMU's own
device.

The guest's memory is a file that both sides map, so frames and rings cost the device's side nothing but what it reads.
Under QEMU (`-accel qtest`, machine microvm) registers go over the qtest socket: a few at the start, and afterwards one
write for a kick.
Spec: VIRTIO 1.4, 2.7, 4.2 and 5.7; QEMU's docs/interop/vhost-user.rst.
"""
import array
import mmap
import os
import socket
import struct
import time

QUEUE_SIZE = 16
VERSION_1 = 1 << 32
CREATE_2D, SET_SCANOUT, FLUSH, TRANSFER, ATTACH_BACKING = 0x101, 0x103, 0x104, 0x105, 0x106
OK = 0x1100
FORMAT_XRGB = 2  # B8G8R8X8: bytes in memory
RESOURCE = 1


class Memory:
    """The guest's memory: a file, mapped, and where the next piece of it is free."""

    def __init__(self, fd, n_bytes, guest_address=0, free=0x100000):
        self.fd, self.n_bytes, self.guest_address, self.free = fd, n_bytes, guest_address, free
        self.map = mmap.mmap(fd, n_bytes)

    def take(self, n_bytes, align=4096):
        start = (self.free + align - 1) // align * align
        self.free = start + n_bytes
        assert self.free <= self.n_bytes, 'the guest has too little memory'
        return start


class Queue:
    """One split ring. Chains are of one request and one response, in fixed descriptors:
    one request at a time in each pair."""

    def __init__(self, memory, kick):
        self.memory, self.kick = memory, kick
        self.descriptors = memory.take(16 * QUEUE_SIZE)
        self.available = memory.take(6 + 2 * QUEUE_SIZE)
        self.used = memory.take(6 + 8 * QUEUE_SIZE)
        self.buffers = [memory.take(4096) for _ in range(QUEUE_SIZE // 2)]
        self.index = 0
        struct.pack_into('<H', memory.map, self.available, 1)  # no interrupts: the driver looks

    def submit(self, requests):
        """Hands over requests in one go; waits until all are done; returns their responses' types."""
        base, m = self.memory.guest_address, self.memory.map
        for slot, request in enumerate(requests):
            at = self.buffers[slot]
            m[at:at + len(request)] = request
            head = 2 * slot
            struct.pack_into('<QIHH', m, self.descriptors + 16 * head, base + at, len(request), 1, head + 1)
            struct.pack_into('<QIHH', m, self.descriptors + 16 * (head + 1), base + at + 2048, 1024, 2, 0)
            struct.pack_into('<H', m, self.available + 4 + 2 * (self.index % QUEUE_SIZE), head)
            self.index = (self.index + 1) & 0xffff
        struct.pack_into('<H', m, self.available + 2, self.index)
        self.kick()
        deadline = time.monotonic() + 20
        while struct.unpack_from('<H', m, self.used + 2)[0] != self.index:
            if time.monotonic() > deadline:
                raise TimeoutError('the device does not answer')
            time.sleep(0.0002)
        return [struct.unpack_from('<I', m, self.buffers[slot] + 2048)[0] for slot in range(len(requests))]


class Gpu:
    """One scanout with one resource of the whole size; the pixels are at `pixels` in memory."""

    def __init__(self, memory, queue, width, height):
        self.memory, self.queue, self.width, self.height = memory, queue, width, height
        self.pixels = memory.take(width * height * 4)
        self.run(struct.pack('<IIII', RESOURCE, FORMAT_XRGB, width, height), CREATE_2D)
        self.run(struct.pack('<IIQII', RESOURCE, 1, memory.guest_address + self.pixels, width * height * 4, 0),
                 ATTACH_BACKING)
        self.run(struct.pack('<IIIIII', 0, 0, width, height, 0, RESOURCE), SET_SCANOUT)

    @staticmethod
    def command(kind, rest):
        return struct.pack('<IIQIB3x', kind, 0, 0, 0, 0) + rest

    def run(self, rest, kind):
        types = self.queue.submit([self.command(kind, rest)])
        assert types == [OK], f'command {kind:#x}: {types[0]:#x}'

    def show(self, x, y, width, height):
        """Transfers and flushes a rectangle: two commands, one kick."""
        offset = (y * self.width + x) * 4
        types = self.queue.submit([
            self.command(TRANSFER, struct.pack('<IIIIQII', x, y, width, height, offset, RESOURCE, 0)),
            self.command(FLUSH, struct.pack('<IIIIII', x, y, width, height, RESOURCE, 0)),
        ])
        assert types == [OK, OK], types


class VhostUser:
    """Attached to a vhost-user server; the control queue is the first of two."""

    def __init__(self, path, n_bytes):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        fd = os.memfd_create('guest')
        os.ftruncate(fd, n_bytes)
        self.memory = Memory(fd, n_bytes)
        self.kicks = [os.eventfd(0) for _ in range(2)]
        self.queue = Queue(self.memory, lambda: os.eventfd_write(self.kicks[0], 1))
        offered = self.ask(1)
        assert offered & VERSION_1
        self.tell(3)
        self.tell(2, struct.pack('<Q', VERSION_1))
        self.tell(5, struct.pack('<IIQQQQ', 1, 0, 0, n_bytes, 0, 0), [fd])
        cursor = Queue(self.memory, None)
        for i, queue in enumerate((self.queue, cursor)):
            self.tell(8, struct.pack('<II', i, QUEUE_SIZE))
            self.tell(9, struct.pack('<IIQQQQ', i, 0, queue.descriptors, queue.used, queue.available, 0))
            self.tell(10, struct.pack('<II', i, 0))
            self.tell(13, struct.pack('<Q', i), [os.eventfd(0)])
            self.tell(12, struct.pack('<Q', i), [self.kicks[i]])

    def tell(self, request, payload=b'', fds=()):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
        self.socket.sendmsg([struct.pack('<III', request, 1, len(payload)) + payload], ancillary)

    def ask(self, request):
        self.tell(request)
        reply = self.socket.recv(20, socket.MSG_WAITALL)
        return struct.unpack('<IIIQ', reply)[3]

    def close(self):
        self.socket.close()


class Qtest:
    """Attached to the virtio-mmio GPU of a QEMU whose memory is the file @memory_path;
    @path: its qtest socket, connected."""

    MMIO, STEP, SLOTS = 0xfeb00000, 512, 24

    def __init__(self, connection, memory_path, n_bytes):
        self.connection = connection
        self.reader = connection.makefile('rb')
        fd = os.open(memory_path, os.O_RDWR)
        self.memory = Memory(fd, n_bytes)
        self.base = next((base for base in range(self.MMIO, self.MMIO + self.SLOTS * self.STEP, self.STEP)
                          if self.read(base) == 0x74726976 and self.read(base + 8) == 16), None)
        assert self.base, 'there is no virtio-mmio GPU'
        kick = f'writel {self.base + 0x50:#x} 0\n'.encode()
        self.queue = Queue(self.memory, lambda: self.say(kick))
        for status in (0, 1, 3):
            self.write(0x70, status)
        self.write(0x24, 1)
        self.write(0x20, VERSION_1 >> 32)  # the driver's features, upper half: VERSION_1
        self.write(0x24, 0)
        self.write(0x20, 0)
        self.write(0x70, 11)
        assert self.read(self.base + 0x70) == 11, 'FEATURES_OK was refused'
        for i, queue in enumerate((self.queue, Queue(self.memory, None))):
            self.write(0x30, i)
            self.write(0x38, QUEUE_SIZE)
            for register, address in ((0x80, queue.descriptors), (0x90, queue.available), (0xa0, queue.used)):
                self.write(register, address)
                self.write(register + 4, 0)
            self.write(0x44, 1)
        self.write(0x70, 15)

    def say(self, line):
        self.connection.sendall(line)
        answer = self.reader.readline()
        while answer.startswith(b'IRQ'):
            answer = self.reader.readline()
        assert answer.startswith(b'OK'), answer
        return answer

    def read(self, address):
        return int(self.say(f'readl {address:#x}\n'.encode()).split()[1], 16)

    def write(self, register, value):
        self.say(f'writel {self.base + register:#x} {value:#x}\n'.encode())

    def close(self):
        self.connection.close()
