#!/bin/sh
# Writes a list of src/spec/agents anew: what a distribution's fence agents and OCF agents say of their parameters.
#   packaging/agents.sh debian-13 > src/spec/agents/debian-13.json
# Needs root and mmdebstrap; takes some minutes. Each agent is asked itself, in a root that is thrown away; agents whose
# metadata needs a module that the distribution only suggests are left out, and named on standard error.
# A parameter is a word: NAME, NAME! (required), NAME=NEW (an old name of NEW), NAME- (old, without a new one).
set -eu
os=$1
root=$(mktemp -d)
keys=$(mktemp -d)
trap 'rm -rf "$root" "$keys"' EXIT
chmod 755 "$root" "$keys"
debian() { mmdebstrap --quiet --variant=apt --include="$2",resource-agents,pacemaker,snmp "$1" "$root"; }
ubuntu() {
    mmdebstrap --quiet --variant=extract --include=ubuntu-keyring trixie "$keys"
    mmdebstrap --quiet --variant=apt --components=main,universe \
        --keyring="$keys/usr/share/keyrings/ubuntu-archive-keyring.gpg" \
        --include=fence-agents-base,fence-agents-extra,resource-agents-extra,pacemaker,snmp "$1" "$root" http://archive.ubuntu.com/ubuntu
}
case $os in
debian-12) debian bookworm fence-agents ;;
debian-13) debian trixie fence-agents-all ;;
ubuntu-24.04) ubuntu noble ;;
ubuntu-26.04) ubuntu resolute ;;
*) echo "usage: agents.sh debian-12|debian-13|ubuntu-24.04|ubuntu-26.04" >&2; exit 64 ;;
esac
chroot "$root" env "OS=$os" python3 - <<'PYTHON'
import glob, json, os, re, subprocess, sys
import xml.etree.ElementTree as tree

def asked(argv):
    environment = dict(os.environ, OCF_ROOT="/usr/lib/ocf", PYTHONWARNINGS="ignore")
    try:
        said = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, env=environment).stdout
        return tree.fromstring(said[said.index(b"<"):])
    except (ValueError, tree.ParseError, subprocess.TimeoutExpired):
        print("left out:", " ".join(argv), file=sys.stderr)
        return None

def words(metadata):
    parameters = list(metadata.iter("parameter"))
    new = {p.get("obsoletes"): p.get("name") for p in parameters if p.get("obsoletes")}
    # OCF 1.1 says it inside: <deprecated><replaced-with name="NEW"/></deprecated>
    new.update({p.get("name"): p.find("deprecated/replaced-with").get("name")
                for p in parameters if p.find("deprecated/replaced-with") is not None})
    def word(p):
        name = p.get("name")
        old = p.get("deprecated") in ("1", "true") or p.find("deprecated") is not None
        if old or name in new:
            return name + ("=" + new[name] if new.get(name, name) != name else "-")
        return name + ("!" if p.get("required") in ("1", "true") else "")
    return " ".join(sorted({word(p) for p in parameters}))

def version(package):
    return subprocess.run(["dpkg-query", "-Wf", "${Version}", package], capture_output=True, text=True).stdout

def owned(package):
    listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True).stdout.split()
    return sorted(path for path in listed if os.path.isfile(path) and os.access(path, os.X_OK))

agents = {}
for path in sorted(glob.glob("/usr/sbin/fence_*")):
    if re.fullmatch("/usr/sbin/fence_[a-z0-9_]+", path):
        metadata = asked([path, "-o", "metadata"])
        if metadata is not None:
            agents[os.path.basename(path)] = words(metadata)
for package in ("resource-agents", "resource-agents-base", "resource-agents-extra", "pacemaker", "pacemaker-resource-agents"):
    for path in owned(package):
        found = re.fullmatch("/usr/lib/ocf/resource.d/([a-z0-9_-]+)/([A-Za-z0-9_-]+)", path)
        metadata = asked([path, "meta-data"]) if found else None
        if metadata is not None:
            agents["ocf:" + found[1] + ":" + found[2]] = words(metadata)
agents["pacemaker-fenced"] = words(asked(["/usr/lib/pacemaker/pacemaker-fenced", "metadata"]))
packages = {p: version(p) or version(p + "-all") or version(p + "-extra") for p in ("fence-agents", "pacemaker", "resource-agents")}
print(json.dumps({"distribution": os.environ["OS"], "packages": packages, "agents": agents}, indent=1))
PYTHON
