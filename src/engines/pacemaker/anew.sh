# Starts this member's engine anew. What it carries may go on meanwhile, and the others start that elsewhere once the maintenance
# is over: so it must come back as a member, or be off.

up() {
    systemctl start corosync.service || return 1
    if systemctl --quiet is-enabled corosync-qdevice.service 2>/dev/null; then
        systemctl start corosync-qdevice.service || return 1
    fi
    systemctl start pacemaker.service
}

systemctl stop pacemaker.service corosync.service
up && exit 0
systemctl disable --quiet sbd.service # as before
systemctl stop pacemaker.service corosync.service
up && echo "sbd.service does not start (journalctl -u sbd): the engine runs without it" >&2 && exit 1
echo "the engine does not start any more (journalctl -u corosync): the machine is started anew" >&2
systemctl --no-block reboot
exit 1
