#!/usr/bin/env bash
# The main job of haoscar on real daemons, start to end: two heads, an arbiter and four nodes in a lab on this machine;
# apply a spec, run a job, cut the power of the active head, see what clients saw, heal a hand edit, leave a report.
# `make demo` runs this; so does a test. Needs root (namespaces). Takes the lab down at the end, also after Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/../.."

haoscar=${HAOSCAR:-haoscar}
spec=${SPEC:-specs/ha-oscar-2004.yaml}
lab=${LAB:-demo}
report=${REPORT:-demo-report}
export HAOSCAR_LAB=$lab

begin=$SECONDS
step() { printf '\n\033[1m== %s\033[0m (%d s)\n' "$*" $((SECONDS - begin)) | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi; }
run() { printf '$ %s\n' "$*"; "$@"; }
take_down() { "$haoscar" lab down "$lab" >/dev/null 2>&1 || true; }
trap take_down EXIT
trap 'exit 130' INT TERM

step "1. is the spec right?"
run "$haoscar" validate "$spec"

step "2. the cluster as namespaces: real systemd, real daemons, a fence agent that really kills"
run "$haoscar" lab up "$spec" --name "$lab"

step "3. what would change, and the change itself"
run "$haoscar" plan "$spec" --adopt | tail -n 15
run "$haoscar" apply "$spec" --adopt -y

step "4. how it is now"
run "$haoscar" status "$spec"

step "5. a job runs on a node"
for _ in $(seq 60); do # nodes get their addresses and register by themselves
    [ "$("$haoscar" lab exec compute1 -- sinfo -h -o '%D %t')" = "4 idle" ] && break
    sleep 0.5
done
job=$("$haoscar" lab exec compute1 -- sbatch --parsable -o /tmp/first.out --wrap 'hostname; sleep 1; echo done')
printf 'submitted job %s\n' "$job"
for _ in $(seq 60); do
    state=$("$haoscar" lab exec compute1 -- scontrol show job "$job" -o | grep -o 'JobState=[A-Z]*')
    [ "$state" = JobState=COMPLETED ] && break
    sleep 0.5
done
printf 'job %s: %s\n' "$job" "$state"
[ "$state" = JobState=COMPLETED ]

step "6. another job runs; the active head loses its power; what did every client see?"
"$haoscar" lab exec compute1 -- sbatch --parsable -o /tmp/second.out --wrap 'sleep 40' >/dev/null
sleep 12 # Slurm writes its state up to 5 s late: a younger job could be forgotten
run "$haoscar" lab drill --spec "$spec" --fault power --target active --wait-return --out "$report"

step "7. nothing is left to do: the dead head is back as standby"
run "$haoscar" plan "$spec" --detailed-exitcode

step "8. a hand edit on a head is put back by the head's own loop, and kept"
run "$haoscar" lab exec head-1 -- sh -c 'echo "server 203.0.113.9" >> /etc/chrony/chrony.conf'
sleep 3
run "$haoscar" plan "$spec" --detailed-exitcode
run "$haoscar" history --spec "$spec" --edits
run "$haoscar" events --spec "$spec" --last 3

step "9. the report"
ls "$report"
step "done in $((SECONDS - begin)) s; the lab is taken down"
