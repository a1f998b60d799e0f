#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
#
# The board is what the other scenarios build on: KVM opens, Busbar runs here and finds a platform that is fast.
set -e
[ -c /dev/kvm ]
busbar doctor
busbar doctor --json >/tmp/doctor.json
python3 - <<'END'
import json
found = json.load(open("/tmp/doctor.json"))
fast = [p["platform"] for p in found["platforms"] if p["usable"] and p["accelerated"]]
lacking = [c["name"] for c in found["host"] if not c["there"]]
assert found["usable"] and fast, f"no platform is fast here: {found['platforms']}"
assert not lacking, f"the board lacks {lacking}"
END
