# SPDX-License-Identifier: MPL-2.0
"""busbar device gpu against QEMU's own virtio-gpu, both with a VNC display: CPU for a guest's frame on its way to a
viewer.

Guests are the same program on both sides and are not counted (tests/tools/gpu_guest.py): it writes a frame into memory
that the device's side maps, then transfers and flushes it with one kick, at most 10 times a second. Under QEMU that is
a microvm whose CPU never runs, driven over its qtest socket: a kick costs QEMU one line of text there, and no exit of a
guest, which it would cost with one. The next frame is drawn when the last one has arrived, because QEMU shows fewer
than it gets (it looks for changes every 30 ms or less often). Viewers are the same program, too, one for each VNC
display, on unix sockets, without conversion of pixels: they read all and ask again at once.

With several guests, ours are displays of 1920 by 720 side by side on one screen with one viewer, as a cockpit has them;
QEMU is a process with a VNC display and a viewer for each. Both sides so carry the same pixels to viewers. What is
counted is CPU time of the servers' processes and frames that arrived: each carries its number in its first pixel. zrle
frames are counted by updates.
"""
import contextlib
import json
import multiprocessing
import os
import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'tests/tools'))

import gpu_guest  # noqa: E402
import vnc  # noqa: E402
from common import BenchError, Server, need, scratch_dir  # noqa: E402

NAME = 'display'
WIDTH, HEIGHT = 1920, 720
RATE = 10  # at most
MEMORY = 64 << 20
QEMU = 'qemu-system-x86_64'


def watch(where, n_guests, encoding, counts, ready):
    """A viewer's process: reads updates, counts the frames of each guest by their numbers."""
    viewer = vnc.Viewer(where, encoding=encoding, timeout_s=None)
    last = [None] * n_guests
    viewer.request(incremental=False)
    ready.set()
    while True:
        viewer.update()
        viewer.request()
        for guest in range(n_guests):
            number = struct.unpack_from('<I', viewer.pixels, guest * HEIGHT * WIDTH * 4)[0] & 0xffffff
            if number != last[guest] or encoding != vnc.RAW:
                last[guest] = number
                with counts.get_lock():
                    counts[guest] += 1


class Watcher:
    def __init__(self, where, n_guests, encoding):
        self.counts = multiprocessing.Array('Q', n_guests)
        ready = multiprocessing.Event()
        self.process = multiprocessing.Process(target=watch, args=(where, n_guests, encoding, self.counts, ready),
                                               daemon=True)
        self.process.start()
        if not ready.wait(20):
            raise BenchError('the viewer does not come in')

    def frames(self):
        with self.counts.get_lock():
            return sum(self.counts)

    def stop(self):
        self.process.kill()
        self.process.join()


class Painter:
    """A guest that shows one of two frames in turn, all of it or a part, with its number."""

    def __init__(self, transport, share):
        self.gpu = gpu_guest.Gpu(transport.memory, transport.queue, WIDTH, HEIGHT)
        self.number = 0
        # A cockpit's page: planes of colour, bars, some texture.
        row = b''.join(struct.pack('<I', (x // 60 * 0x050301 + 0x101418) & 0xffffff) for x in range(WIDTH))
        noise = bytes((i * i >> 7) & 0xff for i in range(WIDTH))
        lines = [(row, row[:WIDTH] + noise * 2 + row[3 * WIDTH:])[y // 8 % 3 == 0] for y in range(HEIGHT)]
        self.frames = [b''.join(lines), b''.join(reversed(lines))]
        # A tenth: 640 by 216.
        self.rectangle = (0, 0, WIDTH, HEIGHT) if share == 100 else (0, 0, 640, 216)

    def paint(self):
        self.number += 1
        x, y, width, height = self.rectangle
        m, base, stride, frame = self.gpu.memory.map, self.gpu.pixels, WIDTH * 4, self.frames[self.number % 2]
        if width == WIDTH:
            m[base:base + len(frame)] = frame
        else:
            for line in range(height):
                at, n = line * stride, width * 4
                m[base + at:base + at + n] = frame[at:at + n]
        struct.pack_into('<I', m, base, self.number)
        self.gpu.show(x, y, width, height)


class Side:
    """Servers, guests and viewers of one side."""

    def __init__(self):
        self.servers, self.painters, self.watchers = [], [], []

    def frames(self):
        return sum(w.frames() for w in self.watchers)

    def run(self, seconds):
        """Paints at the rate, each guest a frame, and waits until all have arrived; returns figures."""
        n, cpu, frames = max(1, int(seconds * RATE)), sum(s.cpu_ns() for s in self.servers), self.frames()
        for i in range(n):
            due = time.monotonic() + 1 / RATE
            for painter in self.painters:
                painter.paint()
            while self.frames() - frames < (i + 1) * len(self.painters) and time.monotonic() < due + 1:
                time.sleep(0.002)
            time.sleep(max(0, due - time.monotonic()))
        cpu = sum(s.cpu_ns() for s in self.servers) - cpu
        arrived = max(1, self.frames() - frames)
        return {'frames per CPU s': arrived / (cpu / 1e9), 'CPU ms per frame': cpu / 1e6 / arrived,
                'frames arrived, %': 100 * arrived / (n * len(self.painters))}


@contextlib.contextmanager
def ours(context, folder, n_guests, share, encoding):
    side, where = Side(), f'{folder}/ours'
    scene = {
        'screens': {'main': {'output': 'vnc', 'size': [WIDTH, HEIGHT * n_guests], 'rate': 60, 'listen': where}},
        'displays': {f'd{i}': {'screen': 'main', 'region': [0, HEIGHT * i, WIDTH, HEIGHT]} for i in range(n_guests)},
    }
    path = pathlib.Path(folder, 'scene.json')
    path.write_text(json.dumps(scene))
    guests = [word for i in range(n_guests)
              for word in ('--guest', f'id=g{i},socket-path={folder}/g{i},display=d{i}')]
    with Server([str(context.busbar), 'device', 'gpu', f'--scene={path}', *guests],
                [where] + [f'{folder}/g{i}' for i in range(n_guests)], cpus=(0, 1)) as server:
        side.servers.append(server)
        transports = [gpu_guest.VhostUser(f'{folder}/g{i}', MEMORY) for i in range(n_guests)]
        side.painters = [Painter(t, share) for t in transports]
        side.watchers.append(Watcher(where, n_guests, encoding))
        try:
            yield side
        finally:
            for stoppable in side.watchers:
                stoppable.stop()
            for transport in transports:
                transport.close()


def start_qemu(folder, i):
    memory = f'{folder}/memory{i}'
    with open(memory, 'wb') as f:
        os.truncate(f.fileno(), MEMORY)
    return Server([QEMU, '-machine', 'microvm,memory-backend=m,acpi=off', '-accel', 'tcg', '-S', '-nodefaults',
                   '-display', 'none', '-m', f'{MEMORY >> 20}M',
                   '-object', f'memory-backend-file,id=m,size={MEMORY},mem-path={memory},share=on',
                   '-global', 'virtio-mmio.force-legacy=false',
                   '-device', f'virtio-gpu-device,xres={WIDTH},yres={HEIGHT}', '-vnc', f'unix:{folder}/vnc{i}',
                   '-qtest', f'unix:{folder}/qtest{i},server=on,wait=off', '-qtest-log', 'none'],
                  [f'{folder}/vnc{i}', f'{folder}/qtest{i}'], cpus=(0, 1))


@contextlib.contextmanager
def qemu(folder, n_guests, share, encoding):
    side = Side()
    with contextlib.ExitStack() as stack:
        for i in range(n_guests):
            side.servers.append(stack.enter_context(start_qemu(folder, i)))
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.connect(f'{folder}/qtest{i}')
            side.painters.append(Painter(gpu_guest.Qtest(connection, f'{folder}/memory{i}', MEMORY), share))
            stack.callback(connection.close)
            side.watchers.append(Watcher(f'{folder}/vnc{i}', 1, encoding))
            stack.callback(side.watchers[-1].stop)
        yield side


def compare(context, n_guests, share, encoding, name):
    seconds = context.round_ms / 1000
    with scratch_dir() as folder, ours(context, folder, n_guests, share, encoding) as mine, \
            qemu(folder, n_guests, share, encoding) as theirs:
        for side in (mine, theirs):
            side.run(min(1, seconds))
        context.compare(NAME, f'{n_guests} guest{"s" * (n_guests > 1)}, {share} % damage, {name}',
                        lambda: mine.run(seconds),
                        lambda: theirs.run(seconds), 'QEMU, vnc')


def run(context):
    need(QEMU)
    for n_guests in (1, 2, 3, 4):
        compare(context, n_guests, 100, vnc.RAW, 'raw')
    compare(context, 1, 10, vnc.RAW, 'raw')
    compare(context, 4, 10, vnc.RAW, 'raw')
    compare(context, 1, 100, vnc.ZRLE, 'zrle')
    compare(context, 1, 10, vnc.ZRLE, 'zrle')
