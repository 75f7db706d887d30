#!/bin/bash
# Cuts a head's power and, as an engine would, has the other one serve the group SECONDS later (never: no more
# arguments). Usage: cut.sh WORK HEAD [OTHER SECONDS]
work=$1
ip link set "$2" down
kill -9 "$(cat "$work/$2.pid")"
[ -n "$3" ] || exit 0
(sleep "$4" && nsenter -t "$(cat "$work/$3.pid")" -m -n -p -r -w sh /serve.sh) </dev/null >/dev/null 2>&1 &
