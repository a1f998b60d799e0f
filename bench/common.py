# SPDX-License-Identifier: MPL-2.0
"""What the benchmarks share: servers, interleaved rounds, medians, the table, the file.

A benchmark is a module with NAME and run(context), which calls context.compare() for each case. Both sides
run on the same CPU, load generators on the other; both are up all the time, and idle while it is the other's turn.
"""
import atexit
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

LOAD_CPU, SERVER_CPU = 0, 1


class BenchError(Exception):
    """Something that a benchmark needs is missing or failed; the text says what."""


def pin(cpu):
    """For preexec_fn: the CPU, if the machine has that many."""
    allowed = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {allowed[cpu % len(allowed)]})


class Server:
    """A process that serves on unix sockets; its CPU time and memory."""

    def __init__(self, argv, sockets=(), ready=None, cpus=(SERVER_CPU,), timeout_s=20):
        self.name = pathlib.Path(argv[0]).name
        self.log = tempfile.TemporaryFile()
        atexit.register(self.stop)
        allowed = sorted(os.sched_getaffinity(0))
        cpu_set = {allowed[cpu % len(allowed)] for cpu in cpus}
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        preexec_fn=lambda: os.sched_setaffinity(0, cpu_set))
        deadline = time.monotonic() + timeout_s
        while not all(listens(path) for path in sockets) or (ready and not ready()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                text = self.log.read().decode(errors='replace').strip()
                self.stop()
                raise BenchError(f'{self.name} did not come up: {text}')
            time.sleep(0.01)

    def cpu_ns(self):
        """CPU time of all its threads, also of those that ended: its process CPU clock, see clock_getcpuclockid(3)."""
        return time.clock_gettime_ns((~self.process.pid << 3) | 2)

    def memory_bytes(self):
        """RssAnon + RssFile: what it needs apart from the memory of guests, which is shared."""
        status = pathlib.Path(f'/proc/{self.process.pid}/status').read_text()
        return sum(int(line.split()[1]) * 1024 for line in status.splitlines()
                   if line.startswith(('RssAnon:', 'RssFile:')))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def listens(path):
    """Is there a listener? Without connecting: that would be a guest."""
    try:
        lines = pathlib.Path('/proc/net/unix').read_text().splitlines()
    except OSError:
        return False
    # The flag __SO_ACCEPTCON (0x10000) marks a listener.
    return any(line.split()[3] == '00010000' and line.endswith(f' {path}') for line in lines[1:])


def load(argv, cpu=LOAD_CPU):
    """Runs a load generator; returns the object that it prints."""
    done = subprocess.run(argv, capture_output=True, text=True, preexec_fn=pin(cpu))
    if done.returncode != 0:
        raise BenchError(f'{pathlib.Path(argv[0]).name}: {done.stderr.strip()}')
    return json.loads(done.stdout)


class Context:
    """What a benchmark gets: where the build is, how long and how often, and where results go."""

    def __init__(self, build, rounds, round_ms, halt_poll_us=200):
        self.build = pathlib.Path(build).resolve()
        self.rounds = rounds
        self.round_ms = round_ms
        self.halt_poll_us = halt_poll_us  # see load-blk.c
        self.busbar = self.build / 'src/cli/busbar'
        self.results = []

    def program(self, name):
        return str(self.build / 'bench' / name)

    def compare(self, bench, case, ours, peer, peer_name):
        """Calls ours() and peer() in turn. Each returns {metric: value}; the metrics' names say which is better:
        those "per request", "per frame", of time and of memory are costs."""
        sides = [], []
        for _ in range(self.rounds):
            for side, measure in zip(sides, (ours, peer)):
                side.append(measure())
        for metric in sides[0][0]:
            mine, theirs = (statistics.median(r[metric] for r in side) for side in sides)
            self.record(bench, case, metric, mine, theirs, peer_name)

    def record(self, bench, case, metric, mine, theirs, peer_name):
        better, worse = (theirs, mine) if is_cost(metric) else (mine, theirs)
        # None: ours is nothing, or infinitely better.
        ratio = round(better / worse, 3) if worse else None
        self.results.append({'bench': bench, 'case': case, 'metric': metric, 'busbar': round(mine, 3),
                             'peer': round(theirs, 3), 'peer_name': peer_name, 'ratio': ratio})
        print(row(self.results[-1]), flush=True)


def is_cost(metric):
    return (metric.startswith(('memory', 'wall', 'CPU ms', 'exits'))
            or ' per request' in metric or ' per frame' in metric)


HEADER = f'{"bench":8} {"case":36} {"metric":30} {"busbar":>12} {"peer":>12} {"ratio":>7}  peer'


def row(r):
    return (f'{r["bench"]:8} {r["case"]:36} {r["metric"]:30} {number(r["busbar"]):>12} {number(r["peer"]):>12} '
            f'{"-" if r["ratio"] is None else format(r["ratio"], ".2f"):>7}  {r["peer_name"]}')


def number(value):
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.2f}'


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise BenchError(f'{program} is not installed (tools/setup installs it)')


def scratch_dir():
    """A folder in memory, removed at the end of the with."""
    return tempfile.TemporaryDirectory(prefix='busbar-bench-', dir='/dev/shm')
