# SPDX-License-Identifier: MPL-2.0
"""busbar monitor against QEMU's machines with KVM on the emulated boards of tests/board: microvm and q35 on x86-64,
virt on arm64. Same board, same run, same kernel, initrd and device servers, interleaved; on_board.py measures there.

The boards' processors are emulated, so times are those of a machine some ten times slower than a real one, and a ratio
there is one of instructions and exits. How long a guest's own code takes is the same for all sides.

Build folders: context.build for this machine's own architecture, and beside it, with "-arm64" at the end of its name,
one of `tests/board/cross` for the other; a board whose programs or images are missing is an error.
"""
import json
import os
import pathlib
import statistics
import sys
import tempfile

from common import BenchError

PROJECT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / 'tests/board'))
import board as boards  # noqa: E402

NAME = 'boards'
PEERS = {'amd64': ('microvm', 'q35'), 'arm64': ('virt',)}
ROUND_DEADLINE_S = 1500


def contents(arch, programs, guests):
    found = {'build/src/cli/busbar': programs / 'src/cli/busbar', 'bench/on_board.py': PROJECT / 'bench/on_board.py',
             'bench/first.py': PROJECT / 'bench/first.py'}
    found.update({f'guests/{name}': guests / f'{name}-{arch}' for name in ('base', 'test')})
    for path in found.values():
        if not path.exists():
            raise BenchError(f'{path} is missing: `make bench` builds it')
    return found


def rows(lines):
    """{(case, metric): {side: [values]}} of what on_board.py said."""
    found = {}
    for line in lines:
        if line.startswith('{'):
            said = json.loads(line)
            for metric, value in said['values'].items():
                found.setdefault((said['case'], metric), {}).setdefault(said['side'], []).append(value)
    return found


def measure(context, arch, programs, guests):
    with tempfile.TemporaryDirectory(prefix='busbar-bench-') as folder:
        disk = boards.make_disk(f'{folder}/disk.img', contents(arch, programs, guests))
        machine = boards.Board(arch, guests, disk)
        try:
            machine.start()
            status, text = machine.run(f'python3 bench/on_board.py {arch} {context.rounds}', ROUND_DEADLINE_S)
            machine.stop()
        except boards.BoardError as error:
            raise BenchError(f'board {arch}: {error}') from None
        finally:
            machine.remove()
    if status != 0:
        raise BenchError(f'board {arch}: {text[-2000:]}')
    for (case, metric), sides in rows(text.splitlines()).items():
        for peer in PEERS[arch]:
            context.record(NAME, f'{arch}, {case}', metric, statistics.median(sides['busbar']),
                           statistics.median(sides[peer]), f'qemu {peer}')


def run(context):
    own = {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(os.uname().machine)
    for arch in os.environ.get('BENCH_BOARDS', 'arm64 amd64').split():
        programs = context.build if arch == own else context.build.with_name(f'{context.build.name}-{arch}')
        measure(context, arch, programs, PROJECT / 'build/guests')
