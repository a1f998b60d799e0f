#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The sound server on a PipeWire of the test's own, in its sandbox: unconnected, connected to a sink, and when PipeWire
dies.

Without a session manager, ports and links are made here. The guest is bench/load-sound, which ends only if its buffers
come back.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ.get('BUSBAR_BUILD', 'build')).resolve()
CONFIGURATION = """
context.properties = { core.daemon = true core.name = pipewire-0 default.clock.rate = 48000 default.clock.quantum = 240
                       default.clock.min-quantum = 32 support.dbus = false }
context.spa-libs = { audio.convert.* = audioconvert/libspa-audioconvert support.* = support/libspa-support }
context.modules = [ { name = libpipewire-module-protocol-native } { name = libpipewire-module-client-node }
                    { name = libpipewire-module-adapter } { name = libpipewire-module-metadata }
                    { name = libpipewire-module-spa-node-factory } { name = libpipewire-module-link-factory }
                    { name = libpipewire-module-access } ]
context.objects = [ { factory = adapter args = { factory.name = support.null-audio-sink node.name = sink
                      media.class = Audio/Sink
                      object.linger = true audio.position = [ FL FR ] node.driver = true priority.driver = 30000
                      adapter.auto-port-config = { mode = dsp monitor = true position = preserve } } } ]
"""
FORMAT = 'mediaType: audio, mediaSubtype: raw, format: F32P, rate: 48000, channels: 2, position: [ FL, FR ]'


def until(what, probe, deadline_s=20):
    end = time.monotonic() + deadline_s
    while not (value := probe()):
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.02)
    return value


def tool(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=20, check=False).stdout


def node(name):
    """Its number, if there is one."""
    for part in re.split(r'\n(?=\tid )', tool('pw-cli', 'ls', 'Node')):
        if f'node.name = "{name}"' in part:
            return re.search(r'id (\d+)', part).group(1)
    return None


def play(folder):
    done = subprocess.run([BUILD / 'bench/load-sound', '--seconds=0.5', '--warm-up=0.1', '--periods=8', folder / 's'],
                          capture_output=True, text=True, timeout=60, check=False)
    return json.loads(done.stdout)['buffers'] if done.returncode == 0 else 0


def connect():
    for name, direction in (('busbar', 'Output'), ('busbar-record', 'Input')):
        tool('pw-cli', 's', until(name, lambda name=name: node(name)), 'PortConfig',
             f'{{ direction: {direction}, mode: dsp, format: {{ {FORMAT} }} }}')
    until('ports',
          lambda: 'busbar:output_FR' in tool('pw-link', '-o') and 'busbar-record:input_FL' in tool('pw-link', '-i'))
    for channel in ('FL', 'FR'):
        tool('pw-link', f'busbar:output_{channel}', f'sink:playback_{channel}')
        tool('pw-link', f'sink:monitor_{channel}', f'busbar-record:input_{channel}')
    return 'sink:playback_FL' in tool('pw-link', '-l')


def point(number, ok, what):
    print(f'{"ok" if ok else "not ok"} {number} - {what}', flush=True)
    return ok


def body(folder, log):
    pipewire = subprocess.Popen(['pipewire', '-c', folder / 'pipewire.conf'], stderr=subprocess.DEVNULL)
    server = None
    try:
        until('PipeWire', lambda: node('sink'))
        server = subprocess.Popen([BUILD / 'src/cli/busbar', 'device', 'sound', '--backend=pipewire',
                                   f'--socket-path={folder}/s'], stderr=log)
        until('the server', lambda: (folder / 's').exists() or server.poll() is not None)
        results = [point(1, play(folder) > 0, 'a guest goes on while nothing is connected')]
        results.append(point(2, connect() and play(folder) > 0, 'a guest plays into the graph'))
        pipewire.terminate()
        pipewire.wait()
        until('the line in the log', lambda: 'pipewire ended' in (folder / 'log').read_text())
        results.append(point(3, play(folder) > 0, 'a guest goes on when PipeWire is gone'))
        server.terminate()
        results.append(point(4, server.wait(timeout=20) == 0, 'the server ends orderly'))
        return all(results)
    finally:
        for process in (server, pipewire):
            if process and process.poll() is None:
                process.kill()
                process.wait()


def main():
    for program in ('pipewire', 'pw-cli', 'pw-link'):
        if not shutil.which(program):
            print(f'1..0 # SKIP {program} is not installed')
            return 0
    with tempfile.TemporaryDirectory(prefix='bb-') as name:
        folder = pathlib.Path(name)
        (folder / 'pipewire.conf').write_text(CONFIGURATION)
        os.environ['XDG_RUNTIME_DIR'] = name
        os.environ.pop('PIPEWIRE_REMOTE', None)
        print('1..4')
        with open(folder / 'log', 'w') as log:
            ok = body(folder, log)
        sys.stderr.write((folder / 'log').read_text())
        return 0 if ok else 1


sys.exit(main())
