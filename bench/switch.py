# SPDX-License-Identifier: MPL-2.0
"""The switch of busbar device net against DPDK's testpmd with two vhost ports, which forwards all that comes in on one
to the other (no addresses, no learning: less work than a switch has). The same front end drives both as two guests.

testpmd polls, also when there is nothing to do, so it is stopped (SIGSTOP) while it is the other's turn. It has one
thread that forwards; that and its control thread share the CPU that our server's only thread has.
"""
import contextlib
import os
import signal

from common import SERVER_CPU, Server, load, need, scratch_dir

NAME = 'switch'
SIZES = (64, 1500)


def measure(context, server, sockets, size):
    done = load([context.program('load-net'), f'--size={size}', f'--seconds={context.round_ms / 1000}', '--warm-up=0.2',
                 f'--pid={server.process.pid}', *sockets])
    return {'frames per second': done['frames'] / done['seconds'],
            'frames per CPU s': done['frames'] / max(done['cpu_seconds'], 1e-9)}


@contextlib.contextmanager
def awake(server):
    server.process.send_signal(signal.SIGCONT)
    yield
    server.process.send_signal(signal.SIGSTOP)


def measure_awake(context, server, sockets, size):
    with awake(server):
        return measure(context, server, sockets, size)


class Peer(Server):
    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        super().stop()


def start_busbar(context, sockets):
    guests = [word for path in sockets for word in ('--guest', f'socket-path={path}')]
    return Server([str(context.busbar), 'device', 'net', '--backend=switch', *guests], sockets)


def start_peer(sockets):
    allowed = sorted(os.sched_getaffinity(0))
    cpu = allowed[SERVER_CPU % len(allowed)]
    ports = [f'--vdev=net_vhost{i},iface={path},queues=1' for i, path in enumerate(sockets)]
    return Peer(['dpdk-testpmd', f'--lcores=0@{cpu},1@{cpu}', '--no-huge', '-m', '256', '--no-pci', '--no-telemetry',
                 '--file-prefix=busbar-bench', *ports, '--', '--forward-mode=io', '--auto-start',
                 '--total-num-mbufs=16384', '--stats-period=3600'], sockets)


def run(context):
    need('dpdk-testpmd')
    with scratch_dir() as folder:
        ours, theirs = ([f'{folder}/{side}{i}' for i in range(2)] for side in ('ours', 'theirs'))
        with start_busbar(context, ours) as server, start_peer(theirs) as peer:
            peer.process.send_signal(signal.SIGSTOP)
            for size in SIZES:
                context.compare(NAME, f'{size}-byte frames', lambda: measure(context, server, ours, size),
                                lambda: measure_awake(context, peer, theirs, size), 'dpdk-testpmd')
            context.record(NAME, 'after all of these', 'memory, KiB', server.memory_bytes() / 1024,
                           peer.memory_bytes() / 1024, 'dpdk-testpmd')
