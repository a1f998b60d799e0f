#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Ten minutes of sound in real time: the server, null backend, periods of 5 ms, two guests with four buffers each.

All have real-time priority, above that of the screens that other tests have meanwhile. A machine may still hold them up
for longer than the guests' buffers last, and that is not a failure; an xrun without such a hold-up is (bench/load-sound
--watch), and one that the server counted and that neither an event nor a hold-up accounts for, and more time missed
than was held up. Without the right to real-time priority there is no telling, and the test is skipped.
"""
import argparse
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ.get('BUSBAR_BUILD', 'build')).resolve()
PERIOD_BYTES = 960
PERIOD_MS = 5
WATCHED_BY = 20  # HOLDUPS_PRIORITY
PRIORITY = 5  # above SCREEN_THREAD_PRIORITY, below SPEAKERS_PRIORITY
TICK_MS = 2  # HOLDUPS_TICK_NS


def ask_stats(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
        s.sendall(b'{"stats": true}\n')
        return json.loads(s.makefile().readline())


def start(words):
    """A server that is ready."""
    ready, told = os.pipe()
    with open(ready, 'rb') as pipe:
        try:
            server = subprocess.Popen([*words, f'--ready-fd={told}'], pass_fds=[told])
        finally:
            os.close(told)
        if not pipe.read(1):
            sys.exit(f'the server did not start: status {server.wait()}')
    return server


def play(folder, seconds):
    """What load-sound measured, and what the server counted."""
    control, sockets = folder / 'control', [folder / 'a', folder / 'b']
    words = [BUILD / 'src/cli/busbar', 'device', 'sound', f'--control={control}']
    for path in sockets:
        words += ['--guest', f'socket-path={path}']
    server = start(words)
    try:
        done = subprocess.run([BUILD / 'bench/load-sound', '--watch', f'--seconds={seconds}', '--periods=4', *sockets],
                              stdout=subprocess.PIPE, text=True, timeout=seconds + 120, check=True)
        return json.loads(done.stdout), ask_stats(control)
    finally:
        server.terminate()
        server.wait()


def accounted_for(guest, counted):
    """Whether the xruns that the server counted were told, or no more than the hold-ups allow: events can be one."""
    return counted['xruns'] <= max(guest['told'], guest['excused'])


def point(number, ok, what):
    print(f'{"ok" if ok else "not ok"} {number} - {what}', flush=True)
    return ok


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seconds', type=float, default=600)
    seconds = parser.parse_args().seconds
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(WATCHED_BY))  # may we?
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))  # our children have it, too
    except OSError:
        print('1..0 # SKIP no right to real-time priority (RLIMIT_RTPRIO, CAP_SYS_NICE)')
        return 0
    with tempfile.TemporaryDirectory(prefix='bb-') as name:
        done, stats = play(pathlib.Path(name), seconds)
    speakers = stats['speakers'][0]
    print(f'# {json.dumps(done)}\n# {json.dumps(stats)}\n1..5')
    held_up_ms = done['held_up_ms'] + done['held_up'] * TICK_MS
    results = [
        point(1, speakers['realtime'] and done['seconds'] >= seconds, f'two guests played for {seconds:g} s'),
        point(2, done['xruns_unexplained'] == 0, 'no stream ran dry but where the machine held its processors up'),
        point(3, len(stats['guests']) == 2 and all(map(accounted_for, done['guests'], stats['guests'])),
              'the server counted none of which it told nobody'),
        point(4, speakers['missed'] * PERIOD_MS <= held_up_ms, 'no period was missed but where they were held up'),
        point(5, 0 < done['latency_bytes_max'] <= PERIOD_BYTES, 'frames are heard within a period of being taken'),
    ]
    return 0 if all(results) else 1


sys.exit(main())
