#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Writes the corpora of fuzz-vhost-backend, fuzz-vhost-frontend and fuzz-relay: whole conversations that are right.

usage: tests/fuzz/vhost-seeds.py            (into tests/fuzz/corpus/, whose files are kept with the sources)
"""
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
VERSION, REPLY, NEED_REPLY = 1, 4, 8
MEMORY, EVENT, UNSEALED, SOCKET, PIPE = range(5)
KICK, WRITE, SHRINK, CONNECT, CHANGE = range(0xf0, 0xf5)
USER = 0x10000000
PROTOCOL = sum(1 << bit for bit in (0, 1, 2, 3, 4, 5, 9, 12, 13, 15, 16))
VERSION_1, PACKED, LOG_ALL, PROTOCOL_FEATURES = 1 << 32, 1 << 34, 1 << 26, 1 << 30


def record(request, payload=b'', flags=VERSION, fds=0, kind=MEMORY):
    return struct.pack('<BBBH', request, flags, fds | kind << 4, len(payload)) + payload


def ask(request, payload=b'', fds=0, kind=MEMORY, flags=VERSION | NEED_REPLY):
    return record(request, payload, flags, fds, kind)


def u64(value):
    return struct.pack('<Q', value)


def state(index, num):
    return struct.pack('<II', index, num)


def region(guest, size, user, offset):
    return struct.pack('<QQQQ', guest, size, user, offset)


def address(index, at, log=0):
    return struct.pack('<IIQQQQ', index, log, USER + at, USER + at + 0x800, USER + at + 0x400, at + 0x800)


def config(offset, data, flags=0):
    return struct.pack('<III', offset, len(data), flags) + data


def negotiation(status=True):
    protocol = PROTOCOL if status else PROTOCOL & ~(1 << 16)
    return (record(1) + record(15) + record(16, u64(protocol)) + ask(3) + record(17) +
            ask(21, fds=1, kind=SOCKET) + record(24, config(0, bytes(60))) +
            (record(40) + ask(39, u64(3)) if status else b''))


def ring(index, at, size=8, base=0):
    return (ask(8, state(index, size)) + ask(10, state(index, base)) + ask(9, address(index, at)) +
            ask(13, u64(index), fds=1, kind=EVENT) + ask(14, u64(index), fds=1, kind=EVENT) +
            ask(12, u64(index), fds=1, kind=EVENT) + ask(18, state(index, 1)))


def memory_table():
    return ask(5, struct.pack('<II', 1, 0) + region(0, 0x10000, USER, 0), fds=1)


def split_request(at, command=b'hello'):
    """One readable and one writable buffer in ring slots 0 and 1, made available."""
    table = struct.pack('<QIHH', 0x8000, len(command), 1, 1) + struct.pack('<QIHH', 0x9000, 64, 2, 0)
    return (record(WRITE, struct.pack('<H', at) + table) +
            record(WRITE, struct.pack('<H', 0x8000) + command) +
            record(WRITE, struct.pack('<H', at + 0x400) + struct.pack('<HHH', 0, 1, 0)) + record(KICK))


def packed_request(at, command=b'hello'):
    table = struct.pack('<QIHH', 0x8000, len(command), 0, 1 | 0x80) + struct.pack('<QIHH', 0x9000, 64, 0, 2 | 0x80)
    return (record(WRITE, struct.pack('<H', 0x8000) + command) + record(WRITE, struct.pack('<H', at) + table) +
            record(KICK))


def backend_seeds():
    split = VERSION_1 | PROTOCOL_FEATURES | 3 << 28 & ~(1 << 30) | PROTOCOL_FEATURES
    start = negotiation() + ask(2, u64(split)) + ask(39, u64(11)) + memory_table()
    running = start + ring(0, 0x1000) + ask(39, u64(15)) + split_request(0x1000)
    no_status = negotiation(False) + ask(2, u64(split)) + memory_table() + ring(0, 0x1000)
    yield 'probe', negotiation()
    yield 'split', running + record(11, state(0, 0))
    yield 'packed', (negotiation() + ask(2, u64(split | PACKED)) + memory_table() +
                     ring(0, 0x1000, base=0x80008000) + ask(39, u64(15)) + packed_request(0x1000) +
                     record(11, state(0, 0)))
    yield 'no-status', no_status + split_request(0x1000) + ask(18, state(0, 0)) + ask(34) + no_status
    yield 'no-protocol-features', (record(1) + record(3) + record(2, u64(VERSION_1)) +
                                   record(5, struct.pack('<II', 1, 0) + region(0, 0x10000, USER, 0), fds=1) +
                                   record(8, state(0, 8)) + record(10, state(0, 0)) + record(9, address(0, 0x1000)) +
                                   record(12, u64(0), fds=1, kind=EVENT) + split_request(0x1000) +
                                   record(11, state(0, 0)))
    yield 'queues', (start + ring(0, 0x1000) + ring(1, 0x2000) + ring(2, 0x3000) + ask(39, u64(15)) +
                     split_request(0x1000) + split_request(0x2000, b'Hold') + split_request(0x3000, b'Break') +
                     record(40) + ask(39, u64(0)))
    yield 'slots', (running + record(36) +
                    ask(37, u64(0) + region(0x20000, 0x1000, USER + 0x20000, 0x1000), fds=1) +
                    ask(37, u64(0) + region(0x30000, 0x1000, USER + 0x30000, 0), fds=1, kind=UNSEALED) +
                    ask(38, u64(0) + region(0x20000, 0x1000, USER + 0x20000, 0)) + record(SHRINK) + record(KICK))
    yield 'log', (running + record(6, struct.pack('<QQ', 4096, 4096), fds=1) + ask(2, u64(split | LOG_ALL)) +
                  ask(9, address(0, 0x1000, 1)) + record(7, fds=1, kind=EVENT) + split_request(0x1000) +
                  ask(2, u64(split)))
    yield 'inflight', (start + record(31, struct.pack('<QQHHI', 0, 0, 1, 8, 0)) +
                       ask(32, struct.pack('<QQHHI', 4096, 0xf000, 1, 8, 0), fds=1) + ring(0, 0x1000) +
                       ask(39, u64(15)) + split_request(0x1000, b'Hold') + record(CONNECT) + start +
                       ask(32, struct.pack('<QQHHI', 4096, 0xf000, 1, 8, 0), fds=1) + ring(0, 0x1000) +
                       ask(39, u64(15)))
    yield 'polled', start + ring(0, 0x1000) + ask(12, u64(0x100)) + ask(13, u64(0x100)) + ask(39, u64(15))
    yield 'config', (running + ask(25, config(0, b'abcd')) + ask(25, config(8, b'abcd', 1)) + record(CHANGE) +
                     split_request(0x1000, b'Change') + ask(20, u64(1500)) + ask(19, u64(0x070605040302)))
    yield 'halves', b''.join(record(request, u64(VERSION_1), VERSION | NEED_REPLY | 0x40) for request in (2, 16, 39))
    yield 'deaf', record(1, flags=VERSION | 0x20) * 20 + record(1)


def reply(request, payload=u64(0), fds=0):
    message = struct.pack('<III', request, VERSION | REPLY, len(payload)) + payload
    return struct.pack('<BH', fds, len(message)) + message


def from_channel(request, flags=VERSION | NEED_REPLY, payload=b'', fds=0):
    message = struct.pack('<III', request, flags, len(payload)) + payload
    return struct.pack('<BH', 0x80 | fds, len(message)) + message


def conversation(protocol):
    """Replies in the order of converse() in fuzz-vhost-frontend.c."""
    def acks(*requests):
        return b''.join(reply(request) for request in requests) if protocol & 8 else b''

    out = reply(1, u64(VERSION_1 | PROTOCOL_FEATURES)) + reply(15, u64(protocol)) + acks(3)
    out += reply(17, u64(2)) if protocol & 1 else b''
    out += reply(36, u64(64)) if protocol >> 15 & 1 else b''
    if protocol >> 9 & 1:
        out += reply(24, config(0, bytes(60))) + acks(25)
    out += acks(2, 5)
    out += acks(37, 38) if protocol >> 15 & 1 else b''
    if protocol >> 12 & 1:
        out += reply(31, struct.pack('<QQHHI', 4096, 0, 2, 64, 0), fds=1) + acks(32)
    out += acks(8, 10, 9, 13, 12, 18)
    out += reply(6) if protocol & 2 else b''
    out += reply(40, u64(11)) + acks(39) if protocol >> 16 & 1 else b''
    out += acks(19) if protocol & 4 else b''
    out += acks(20) if protocol & 16 else b''
    out += reply(11, state(0, 3))
    out += acks(34) if protocol >> 13 & 1 else b''
    return out + (acks(21) if protocol & 32 else b'')


def frontend_seeds():
    yield 'all', conversation(PROTOCOL) + reply(24, config(0, bytes(16)))
    yield 'all-config-change', conversation(PROTOCOL) + from_channel(2) + from_channel(2, VERSION) + from_channel(9)
    yield 'no-acks', conversation(PROTOCOL & ~8) + from_channel(2) + reply(24, config(0, bytes(16)))
    yield 'none', conversation(0)
    yield 'old', reply(1, u64(VERSION_1)) + reply(11, state(0, 0))
    yield 'refusals', conversation(8) + reply(3, u64(1))
    yield 'fds', conversation(PROTOCOL)[:60] + reply(17, u64(2), fds=4)
    yield 'channel-halves', conversation(PROTOCOL) + struct.pack('<BH', 0x82, 5) + struct.pack('<III', 2, 9, 0)[:5] + \
        struct.pack('<BH', 0x80, 7) + struct.pack('<III', 2, 9, 0)[5:]


def relay_seeds():
    start = (negotiation() + ask(2, u64(VERSION_1 | PROTOCOL_FEATURES)) + ask(39, u64(11)) + memory_table() +
             record(33, fds=1, kind=SOCKET) + ask(25, config(0, b'abcd')))
    running = start + ring(0, 0x1000) + ring(1, 0x2000) + ask(39, u64(15))
    front = running + record(11, state(0, 0)) + record(24, config(0, bytes(16))) + ask(34) + ask(39, u64(0)) + start
    quiet = record(1) + record(15) + record(16, u64(1)) + record(3) + record(25, config(0, b'abcd')) * 3 + record(17)
    # What the server does with the requests that it answers: see answer() in fuzz-relay.c.
    for name, script in (('sound', b''), ('ends-the-first', b'\x01'),
                         ('ends-some', bytes(7) + b'\x01' + bytes(9) + b'\x01' * 2),
                         ('ends-all', b'\x01' * 64), ('refuses', b'\x00\x00' + b'\x0a' * 60),
                         ('refuses-some', b'\x00\x00\x00\x0a' * 9),
                         ('other-requests', bytes(4) + b'\x7b\x13' * 5), ('sizes', bytes(3) + b'\x54\x00\xfc\x24'),
                         ('descriptors', bytes(3) + b'\x0d\x45' * 6), ('twice', b'\x06' * 20),
                         ('flags', bytes(5) + b'\x0f\x2f\x07'),
                         ('no-features', b'\x02\x02')):
        yield name, bytes([len(script)]) + script + front
    yield 'no-acks', bytes([8]) + bytes([0, 2 | 3 << 3, 1, 1, 1, 1, 1, 1]) + quiet
    yield 'front-cut', b'\x00' + running[:-3]
    yield 'front-reply', b'\x00' + record(1) + record(1, u64(0), VERSION | REPLY)
    yield 'front-descriptors', b'\x00' + negotiation() + record(5, struct.pack('<II', 3, 0), fds=8)
    yield 'front-unknown', b'\x00' + negotiation() + ask(99, u64(7)) + ask(6, struct.pack('<QQ', 4096, 0), fds=1)
    yield 'front-rings', b'\x00' + start + ring(200, 0x1000) + ring(15, 0x2000)


def main():
    for name, seeds in (('vhost-backend', backend_seeds), ('vhost-frontend', frontend_seeds), ('relay', relay_seeds)):
        folder = HERE / 'corpus' / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed, data in seeds():
            (folder / seed).write_bytes(data)


main()
