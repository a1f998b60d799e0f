# SPDX-License-Identifier: MPL-2.0
"""For tests that call the real busbar: a root of its own, and a look at what is left when it should be nothing.

Every process that comes from a call inherits an environment variable by which it is found again.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

BUILD = pathlib.Path(os.environ['BUSBAR_BUILD'])
PROGRAM = str(BUILD / 'src/cli/busbar')
GUEST = BUILD / 'guests/base-amd64'
DEADLINE_S = 60


def skip(reason):
    print(f'skipped: {reason}')
    sys.exit(77)


def need_guest():
    """The tests below start QEMU with a kernel; what the guest does matters to none of them."""
    if not shutil.which('qemu-system-x86_64'):
        skip('qemu-system-x86_64 is not installed')
    if not (GUEST / 'vmlinuz').exists():
        skip(f'{GUEST} is not built: guests/build base --out {GUEST.parent}')


class Case(unittest.TestCase):
    def setUp(self):
        signal.signal(signal.SIGALRM, self.too_late)
        signal.alarm(2 * DEADLINE_S)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='busbar-'))
        self.root = self.folder / 'r'
        self.mark = uuid.uuid4().hex
        self.env = dict(os.environ, BUSBAR_TEST_MARK=self.mark)
        self.started = []

    def too_late(self, *_):
        raise TimeoutError('the test takes too long')

    def run(self, result=None):
        self.result = result or self.defaultTestResult()
        return super().run(self.result)

    def print_logs(self):
        """What the supervisors wrote: machines' logs go with their folders, unless they are looked at before."""
        for path in sorted(self.root.rglob('log')) if self.root.exists() else []:
            print(f'--- {path.relative_to(self.root)}', path.read_text(errors='replace'), sep='\n', file=sys.stderr)

    def tearDown(self):
        signal.alarm(0)
        if any(case is self for case, _ in self.result.failures + self.result.errors):
            self.print_logs()
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        shutil.rmtree(self.folder)

    def busbar(self, *words, expect=0, **more):
        done = subprocess.run([PROGRAM, '--root', self.root, *words], env=self.env, capture_output=True, text=True,
                              timeout=DEADLINE_S, stdin=subprocess.DEVNULL, check=False, **more)
        self.assertEqual(done.returncode, expect, f'busbar {words}: {done.stdout}{done.stderr}')
        return done.stdout if expect == 0 else done.stderr

    def start(self, *words):
        process = subprocess.Popen([PROGRAM, '--root', self.root, *words], env=self.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def state(self, machine):
        return json.loads(self.busbar('state', machine))

    def status(self, machine):
        return self.state(machine)['status']

    def processes(self):
        """Living processes (no zombies) that descend from a call."""
        found = []
        for entry in pathlib.Path('/proc').glob('[0-9]*'):
            with contextlib.suppress(OSError):
                if self.mark.encode() in (entry / 'environ').read_bytes():
                    found.append(int(entry.name))
        return found

    def kill(self, pid):
        self.assertGreater(pid, 1)
        os.kill(pid, signal.SIGKILL)

    def until(self, what, condition):
        """Asks again and again, as fast as asking is."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, f'in vain: {what}')

    def left(self, *expected):
        """Nothing runs, and the root holds nothing but these."""
        self.until('no process is left', lambda: not self.processes())
        found = sorted(str(path.relative_to(self.root)) for path in self.root.rglob('*')) if self.root.exists() else []
        self.assertEqual(found, sorted(expected))

    def bundle(self, name, devices=(), **vm):
        folder = self.folder / name
        folder.mkdir()
        for file in ('vmlinuz', 'initrd.img'):
            if (GUEST / file).exists():
                shutil.copy(GUEST / file, folder / file)
        config = {'ociVersion': '1.3.0', 'hostname': name,
                  'vm': {'kernel': {'path': 'vmlinuz', 'initrd': 'initrd.img', 'parameters': ['console=hvc0', 'quiet']},
                         'hwConfig': {'vcpus': 1, 'memory': 268435456}, 'devices': list(devices), **vm}}
        (folder / 'config.json').write_text(json.dumps(config))
        return folder

    def image(self, folder, name, size=1 << 20):
        with open(folder / name, 'wb') as out:
            out.truncate(size)

    def system(self, machines, networks=None, name='pair', **more):
        path = self.folder / f'{name}.json'
        path.write_text(json.dumps({'networks': networks or {}, 'machines': machines, **more}))
        return path
