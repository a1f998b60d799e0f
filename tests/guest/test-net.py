#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Two guests on one switch: throughput, VLAN, and 20 kills of the switch under load."""

import hashlib
import json
import re

import lab as guest_lab

N_KILLS = 20
WORD, PIECE_BYTES = "busbar", 65536


def iperf(client, more):
    text = client.must(f"iperf3 -c 192.168.77.1 -J {more}")
    return json.loads(text[text.index("{"):])["end"]


def throughput(lab, server, client):
    server.must("iperf3 -s -D --logfile /tmp/iperf.log")
    client.must("until iperf3 -c 192.168.77.1 -t 1 >/dev/null 2>&1; do :; done")
    for way, more in (("beta to alpha", ""), ("alpha to beta", "-R")):
        end = iperf(client, "-t 3 " + more)
        rate = end["sum_received"]["bits_per_second"]
        lab.point(rate > 1e6, f"TCP {way} passes the switch")
        lab.note(f"{way}: {rate / 1e6:.0f} Mbit/s in software emulation, {end['sum_sent']['retransmits']} retransmits")


def killed_switch(lab, server, client):
    """A stream with checked contents goes on across the kills; pings show the longest gap."""
    # In subshells that end at once: the end of a job of its own can end busybox' shell while it waits for a line.
    client.must("(ping -i 0.05 192.168.77.1 >/tmp/ping.log 2>&1 </dev/null & echo $! >/tmp/ping.pid)")
    # Its input must stay open: at its end nc would close its direction, and the other side would leave.
    server.must("mkfifo /tmp/open; ((exec 9<>/tmp/open; nc -l -p 7000 <&9 | md5sum >/tmp/received.md5; "
                "touch /tmp/received) >/dev/null 2>&1 </dev/null &)")
    client.must(f"yes {WORD} | head -c {PIECE_BYTES} >/tmp/piece")
    # Slow enough for the contents to be checked in software emulation, with a frame under way at every moment.
    client.must("((while [ ! -e /tmp/enough ]; do cat /tmp/piece; echo x >>/tmp/sent; usleep 50000; done | "
                "nc 192.168.77.1 7000) >/dev/null 2>&1 </dev/null &)")
    for _ in range(N_KILLS):
        before = int(server.must("cat /sys/class/net/eth0/statistics/rx_packets"))
        guest_lab.until("traffic goes on", 60,
                        lambda: int(server.must("cat /sys/class/net/eth0/statistics/rx_packets")) > before + 20)
        server.kill_server("eth0")
    before = int(server.must("cat /sys/class/net/eth0/statistics/rx_packets"))
    guest_lab.until("traffic goes on after the last kill", 60,
                    lambda: int(server.must("cat /sys/class/net/eth0/statistics/rx_packets")) > before + 20)
    client.must("touch /tmp/enough; kill -INT $(cat /tmp/ping.pid)")
    server.must("until [ -e /tmp/received ]; do usleep 20000; done")
    n_pieces = int(client.must("wc -l </tmp/sent"))
    piece = (f"{WORD}\n" * PIECE_BYTES)[:PIECE_BYTES].encode()
    expected = hashlib.md5(piece * n_pieces).hexdigest()
    received = server.must("cat /tmp/received.md5").split()[0]
    lab.point(received == expected,
              f"{N_KILLS} kills of the switch under load: "
              f"a TCP stream of {n_pieces * PIECE_BYTES // 1024} KiB arrives whole")
    replies = [int(n) for n in re.findall(r"seq=(\d+)", client.must("cat /tmp/ping.log"))]
    gap = max((b - a for a, b in zip(replies, replies[1:])), default=0)
    lab.note(f"longest gap between answered pings {gap * 50} ms")
    for machine in (server, client):
        errors = machine.must("dmesg | grep -ciE 'virtio.*(error|fail)|NETDEV WATCHDOG' || true").strip()
        lab.point(errors == "0", f"{machine.name}: the kernel saw no device error ({errors})")


def body(lab):
    for name in ("alpha", "beta"):
        lab.bundle(name, [{"id": "eth0", "type": "net", "network": "backbone"}])
    alpha, beta = lab.up(["alpha", "beta"], networks={"backbone": {"uplink": "none"}})
    alpha.connect()
    beta.connect()
    alpha.must("ip addr add 192.168.77.1/24 dev eth0 && ip link set eth0 up")
    beta.must("ip addr add 192.168.77.2/24 dev eth0 && ip link set eth0 up")
    beta.must("ping -c 3 192.168.77.1")
    lab.point(True, "two guests ping each other across the switch")
    beta.must("ip link add link eth0 name eth0.5 type vlan id 5 && ip addr add 192.168.78.2/24 dev eth0.5 "
              "&& ip link set eth0.5 up")
    alpha.must("ip link add link eth0 name eth0.5 type vlan id 5 && ip addr add 192.168.78.1/24 dev eth0.5 "
               "&& ip link set eth0.5 up")
    beta.must("ping -c 3 192.168.78.1")
    lab.point(True, "tagged frames pass between trunk ports")
    throughput(lab, alpha, beta)
    killed_switch(lab, alpha, beta)


guest_lab.run_test("net", body)
