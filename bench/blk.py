# SPDX-License-Identifier: MPL-2.0
"""Block devices: busbar device blk against qemu-storage-daemon, the same image in tmpfs, the same front end.

The peer's settings are the best of those that it has for such an image: a thread for the export (which polls
adaptively, as ours does), and whichever of its two ways to do file I/O, threads and io_uring, is faster in
4k random reads at depth 32; the name in the table says which it was.

The load generator waits for its interrupt as a vCPU does that halts under KVM with its defaults: it looks for up to
200 us, then sleeps. With --halt-poll-us 0 it sleeps at once, and each call then wakes a CPU; where the machine itself
is a virtual one, that costs either server more than the requests do, and the ratios come closer to 1.
"""
import os

from common import BenchError, Server, load, need, scratch_dir

NAME = 'blk'
IMAGE_BYTES = 256 << 20

CASES = [
    ('4k random read, depth 1', ['--depth', '1']),
    ('4k random read, depth 32', ['--depth', '32']),
    ('4k random read, depth 128', ['--depth', '128']),
    ('4k random write, depth 32', ['--depth', '32', '--write']),
    ('128k random read, depth 16', ['--depth', '16', '--block', '131072']),
]


def measure(context, server, socket, options):
    before = server.cpu_ns()
    done = load([context.program('load-blk'), '--socket', socket, '--ms', str(context.round_ms),
                 '--halt-poll-us', str(context.halt_poll_us), *options])
    cpu_us = (server.cpu_ns() - before) / 1000
    return {'requests per second': done['requests'] / done['seconds'], 'CPU us per request': cpu_us / done['requests']}


def start_busbar(context, socket, *options):
    return Server([str(context.busbar), 'device', 'blk', f'--socket-path={socket}', *options], [socket])


def start_peer(socket, node):
    return Server(['qemu-storage-daemon', '--object', 'iothread,id=thread0', '--blockdev', node,
                   '--export', 'type=vhost-user-blk,id=disk0,node-name=node0,writable=on,num-queues=1,'
                   f'iothread=thread0,addr.type=unix,addr.path={socket}'], [socket])


def make_image(path):
    with open(path, 'wb') as image:
        for _ in range(IMAGE_BYTES >> 20):
            image.write(os.urandom(1 << 20))


def start_best_peer(context, folder, image):
    best = None
    for aio in ('threads', 'io_uring'):
        socket = f'{folder}/peer-{aio}'
        # Ours holds the image's lock.
        node = f'driver=file,node-name=node0,filename={image},aio={aio},locking=off'
        try:
            server = start_peer(socket, node)
        except BenchError as error:
            print(f'blk: {error}')
            continue
        rate = max(measure(context, server, socket, CASES[1][1])['requests per second'] for _ in range(3))
        if best and best[0] >= rate:
            server.stop()
            continue
        if best:
            best[1].stop()
        best = rate, server, socket, f'qemu-storage-daemon aio={aio}'
    if not best:
        raise BenchError('qemu-storage-daemon does not serve the image')
    return best[1:]


def run(context):
    need('qemu-storage-daemon')
    with scratch_dir() as folder:
        image, ours = f'{folder}/image', f'{folder}/ours'
        make_image(image)
        with start_busbar(context, ours, f'--image={image}') as server:
            peer, socket, peer_name = start_best_peer(context, folder, image)
            with peer:
                for case, options in CASES:
                    context.compare(NAME, case, lambda: measure(context, server, ours, options),
                                    lambda: measure(context, peer, socket, options), peer_name)
                context.record(NAME, 'after all of these', 'memory, KiB', server.memory_bytes() / 1024,
                               peer.memory_bytes() / 1024, peer_name)

        ours, theirs, peer_name = f'{folder}/null', f'{folder}/null-peer', 'qemu-storage-daemon null-co'
        node = f'driver=null-co,node-name=node0,size={IMAGE_BYTES},read-zeroes=on'
        with start_busbar(context, ours, f'--null={IMAGE_BYTES}') as server, start_peer(theirs, node) as peer:
            for case, options in CASES:
                context.compare(NAME, f'null, {case}', lambda: measure(context, server, ours, options),
                                lambda: measure(context, peer, theirs, options), peer_name)
