# A certificate and its key for one cluster, signed by this qnetd server's own authority, as PKCS #12 in hex digits.
# Runs on the server, with the cluster's name; both programs are Debian's (corosync-qnetd, libnss3-tools).
set -eu
umask 077
exec 3>&1 >&2
server=/etc/corosync/qnetd/nssdb
if ! [ -e $server/cert9.db ]; then # the package makes one; a copied machine may come without
    corosync-qnetd-certutil -i -G
    chgrp coroqnetd $server $server/cert9.db $server/key4.db
fi
work=$(mktemp -d -p /run)
trap 'rm -rf "$work"' EXIT
: >"$work/password"
head -c 256 /dev/urandom >"$work/noise"
certutil -N -d "$work" -f "$work/password"
certutil -A -d "$work" -f "$work/password" -t CT,c,c -n 'QNet CA' -i $server/qnetd-cacert.crt
certutil -R -d "$work" -f "$work/password" -z "$work/noise" -g 3072 -s "CN=$1" -o "$work/request"
corosync-qnetd-certutil -s -c "$work/request" -n "$1"
certutil -A -d "$work" -t u,u,u -n 'Cluster Cert' -i "$server/cluster-$1.crt"
pk12util -d "$work" -k "$work/password" -o "$work/p12" -W '' -n 'Cluster Cert'
od -An -v -tx1 "$work/p12" | tr -d ' \n' >&3
