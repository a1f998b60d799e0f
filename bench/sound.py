# SPDX-License-Identifier: MPL-2.0
"""busbar device sound against QEMU's virtio-sound: what a stream costs the server, and how long frames take from the
guest's write until the backend has them. Both mix for the same kind of backend, at periods of 5 ms: none of it is heard
(null, QEMU's "none"), or it goes into a WAV file. Streams have 16 bits, two channels, 48 kHz, in buffers of 5 ms.

Ours is driven by our own front end, QEMU's by qtest with a processor that sleeps, so that only the device is measured.
QEMU's figures have the latency of the script that looks for completions every 0.1 ms.
"""
import json
import os
import socket
import struct
import subprocess
import sys
import time

from common import SERVER_CPU, BenchError, Server, load, need, pin, scratch_dir
from qtest import Device

NAME = 'sound'
PERIOD_FRAMES = 240
PERIOD_BYTES = 4 * PERIOD_FRAMES
SET_PARAMS, PREPARE, RELEASE, START, STOP, OK = 0x101, 0x102, 0x103, 0x104, 0x105, 0x8000
CONTROL, EVENT, TX = 0, 1, 2
BUFFERS_AT, REQUEST_AT = 0x400000, 0x300000


class QemuSound:
    """Plays on QEMU's virtio-sound as bench/load-sound.c does on ours."""

    def __init__(self, folder, audiodev):
        self.device = Device(folder, ['-audiodev', audiodev,
                                      '-device', 'virtio-sound-pci,audiodev=a,streams=8,disable-legacy=on'])
        self.server = self.device.server
        self.queues = self.device.start(4)

    def ask(self, *words):
        control = self.queues[CONTROL]
        request = struct.pack(f'<{len(words)}I', *words)
        self.device.put(REQUEST_AT, request)
        control.describe(0, [(REQUEST_AT, len(request), False), (REQUEST_AT + 0x1000, 4, True)])
        control.add(0)
        control.kick()
        while control.get() is None:
            time.sleep(0.0001)
        status = struct.unpack_from('<I', self.device.memory, REQUEST_AT + 0x1000)[0]
        if status != OK:
            raise BenchError(f'QEMU answered {status:#x} to {words[0]:#x}')

    def open(self, n_streams, n_periods):
        tx = self.queues[TX]
        for stream in range(n_streams):
            # 2 channels, S16, 48 kHz
            self.ask(SET_PARAMS, stream, n_periods * PERIOD_BYTES, PERIOD_BYTES, 0, 2 | 5 << 8 | 7 << 16)
            self.ask(PREPARE, stream)
            for i in range(n_periods):
                index = stream * n_periods + i
                at = BUFFERS_AT + index * 0x1000
                self.device.put(at, struct.pack('<I', stream))
                self.device.put(at + 64, bytes(k * 37 & 0xff for k in range(PERIOD_BYTES)))
                tx.describe(index, [(at, 4, False), (at + 64, PERIOD_BYTES, False), (at + 32, 8, True)])
                tx.add(index)
            tx.kick()
            self.ask(START, stream)

    def close(self, n_streams):
        for stream in range(n_streams):
            self.ask(STOP, stream)
            self.ask(RELEASE, stream)
        while self.queues[TX].get() is not None:
            pass

    def run(self, seconds, measured, sent):
        """Sends again what is back; the times that it took, in ms."""
        tx, times, end = self.queues[TX], [], time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            back = []
            while (i := tx.get()) is not None:
                if measured and i in sent:
                    times.append((now - sent[i]) * 1000)
                back.append(i)
            for i in back:
                sent[i] = time.monotonic()
                tx.add(i)
            if back:
                tx.kick()
            time.sleep(0.0001)
        return times

    def play(self, n_streams, n_periods, seconds):
        sent = {}
        self.open(n_streams, n_periods)
        self.run(1.0, False, sent)
        cpu, begin = self.server.cpu_ns(), time.monotonic()
        times = sorted(self.run(seconds, True, sent))
        cpu, took = (self.server.cpu_ns() - cpu) / 1e9, time.monotonic() - begin
        self.close(n_streams)
        if not times:
            raise BenchError('QEMU returned no buffer')
        return {'seconds': took, 'cpu_seconds': cpu, 'buffers': len(times)} | {
            name: times[min(int(p * len(times)), len(times) - 1)]
            for name, p in (('min_ms', 0), ('p50_ms', 0.5), ('p90_ms', 0.9), ('p99_ms', 0.99), ('p999_ms', 0.999),
                            ('max_ms', 1))}


def play_ours(context, server, path, n_streams, n_periods, seconds):
    return load([context.program('load-sound'), f'--streams={n_streams}', f'--periods={n_periods}',
                 f'--seconds={seconds}', '--warm-up=1', f'--pid={server.process.pid}', path])


def ask_stats(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(b'{"stats": true}\n')
        return json.loads(s.makefile().readline())


def figures(done, n_streams):
    return {'CPU ms per s and stream': done['cpu_seconds'] * 1000 / done['seconds'] / n_streams,
            'wall ms, write to backend, median': done['p50_ms'],
            'wall ms, write to backend, 99 %': done['p99_ms']}


def distribution(who, done):
    print('    ' + who + ': ' + ', '.join(f'{name[:-3]} {done[name]:.3f}' for name in
                                          ('min_ms', 'p50_ms', 'p90_ms', 'p99_ms', 'p999_ms', 'max_ms')) +
          f' ms of {done["buffers"]} buffers, {done["buffers"] / done["seconds"]:.0f} a second', file=sys.stderr)


def run_backend(context, name, ours_words, audiodev):
    seconds = max(context.round_ms / 1000, 1)
    with scratch_dir() as folder:
        path, control = f'{folder}/ours', f'{folder}/control'
        words = [word.format(folder=folder) for word in ours_words]
        qemu = QemuSound(folder, audiodev.format(folder=folder))
        try:
            with Server([str(context.busbar), 'device', 'sound', '--streams=4', f'--control={control}',
                         f'--socket-path={path}', *words],
                        [path]) as server:
                for n_streams, n_periods in ((1, 2), (1, 4), (4, 4)):
                    last = {}

                    def ours(n_streams=n_streams, n_periods=n_periods, last=last):
                        last['busbar'] = play_ours(context, server, path, n_streams, n_periods, seconds)
                        return figures(last['busbar'], n_streams)

                    def theirs(n_streams=n_streams, n_periods=n_periods, last=last):
                        last['QEMU'] = qemu.play(n_streams, n_periods, seconds)
                        return figures(last['QEMU'], n_streams)

                    context.compare(NAME, f'{name}, {n_streams} streams, {n_periods} periods', ours, theirs,
                                    'QEMU virtio-sound')
                    for who, done in last.items():
                        distribution(who, done)
                stats = ask_stats(control)
                print(f'    busbar: {stats["guests"][0]["xruns"]} xruns, {stats["speakers"][0]["missed"]} of '
                      f'{stats["speakers"][0]["periods"]} periods missed', file=sys.stderr)
                context.record(NAME, name, 'memory, KiB', server.memory_bytes() / 1024,
                               qemu.server.memory_bytes() / 1024,
                               'QEMU virtio-sound')
        finally:
            qemu.device.stop()


def ordinary():
    """A guest's processor has no real-time priority, whatever the benchmark has."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    pin(SERVER_CPU)()


def run_isolation(context):
    """A guest beside one that floods the server, against the same guest without that."""
    seconds = max(context.round_ms / 1000, 1)
    with scratch_dir() as folder:
        good, bad = f'{folder}/good', f'{folder}/bad'
        with Server([str(context.busbar), 'device', 'sound', '--guest', f'socket-path={good}', '--guest',
                     f'socket-path={bad}'],
                    [good, bad]) as server:
            def alone():
                done = play_ours(context, server, good, 1, 4, seconds)
                return {name: value for name, value in figures(done, 1).items() if name.startswith('wall')}

            def flooded():
                flood = subprocess.Popen([context.program('load-sound'), '--flood', f'--seconds={seconds + 1}',
                                          '--warm-up=0', bad],
                                         stdout=subprocess.DEVNULL, preexec_fn=ordinary)
                try:
                    return alone()
                finally:
                    flood.wait()

            context.compare(NAME, 'null, beside a guest that floods', flooded, alone, 'undisturbed')


def run(context):
    need('qemu-system-x86_64')
    run_isolation(context)
    run_backend(context, 'null', ['--backend=null'], 'none,id=a,timer-period=5000')
    run_backend(context, 'wav', ['--backend=wav', '--file={folder}/ours.wav'],
                'wav,id=a,path={folder}/theirs.wav,timer-period=5000')
