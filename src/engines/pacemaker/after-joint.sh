# What a member does on which files of a joint change were put back while its engine runs and nobody commands it.
# $1: corosync.conf, $2: what takes the change's maintenance away.

systemctl is-active --quiet corosync || exit 0
members=$(grep -c nodeid: "$1")

clean() { # all members, in the engine's own eyes: one that it takes for unclean would be fenced
    seen=$(timeout 5 crm_mon -1 --output-as=xml | grep -c ' online="true".* pending="false".* unclean="false"')
    [ "$seen" = "$members" ]
}

away() { # every other member that answers on no network: it is off, and nothing here mends that
    mine=$(ip -o address show | awk '{ sub("/.*", "", $4); print $4 }')
    for address in $(awk '/ring[0-9]_addr:/ { print $2 }' "$1"); do
        echo "$mine" | grep -qxF "$address" && continue
        # corosync itself asks all of them, many times a second
        ip neighbour show "$address" | grep -qE 'REACHABLE|STALE|DELAY' && return 1
    done
    return 0
}

# Until the others have put theirs back. Then one reads them and makes all read them, and after it the others one by one, for
# they may not hear it: of two at the same time, one may go on with a key that the rest have given up, and no message
# comes through any more.
id=$(corosync-cmapctl -g runtime.votequorum.this_node_id | sed 's/.*= //')
sleep $((2 + 3 * (${id:-1} - 1)))
timeout 10 corosync-cfgtool -R

steady=0
restarted=
for second in $(seq 90); do
    sleep 1
    if clean; then steady=$((steady + 1)); else steady=0; fi
    if [ $steady -ge $((3 * members)) ]; then # the others may still make all read their files
        cibadmin --delete --scope crm_config --xml-text "$2"
        exit 0
    fi
    [ $steady = 0 ] && [ "$second" -ge 30 ] && [ -z "$restarted" ] || continue
    away "$1" && continue
    # It holds what no file says, and a stop in order would wait for messages that do not come.
    # The maintenance keeps every service as it is.
    restarted=yes
    systemctl kill --signal=KILL pacemaker corosync
    systemctl stop pacemaker corosync
    systemctl start corosync pacemaker
done
