#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
#
# examples/pair runs unmodified under the platform of choice; auto chooses kvm here.
n=0
for platform in "$PLATFORM" auto; do
        n=$((n + 1))
        python3 /board/source/examples/pair/demo --build /board/build --platform "$platform" >/tmp/demo.log 2>&1
        status=$?
        grep -v '^demo: ' /tmp/demo.log | sed 's/^/# /'
        if [ $status != 0 ]; then
                sed 's/^/# /' /tmp/demo.log | tail -n 60
                echo "not ok $n - examples/pair with --platform $platform ended with status $status"
        elif [ "$platform" = auto ] && ! grep -q '^alpha *kvm ' /tmp/demo.log; then
                echo "not ok $n - auto did not choose kvm"
        else
                echo "ok $n - examples/pair with --platform $platform: everything held"
        fi
done
