#!/bin/sh
# Writes src/spec/agents/debian-12.json anew: what the fence agents and OCF agents of Debian 12 say of their parameters.
#   packaging/agents.sh > src/spec/agents/debian-12.json
# Needs root and mmdebstrap; takes some minutes. Each agent is asked itself, in a root that is thrown away; agents whose
# metadata needs a module that Debian only suggests are left out, and named on standard error.
# A parameter is a word: NAME, NAME! (required), NAME=NEW (an old name of NEW), NAME- (old, without a new one).
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mmdebstrap --quiet --variant=apt --include=fence-agents,resource-agents,pacemaker,snmp bookworm "$root"
chroot "$root" python3 - <<'PYTHON'
import json, os, re, subprocess, sys
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
for path in owned("fence-agents"):
    if re.fullmatch("/usr/sbin/fence_[a-z0-9_]+", path):
        metadata = asked([path, "-o", "metadata"])
        if metadata is not None:
            agents[os.path.basename(path)] = words(metadata)
for package in ("resource-agents", "pacemaker"):
    for path in owned(package):
        found = re.fullmatch("/usr/lib/ocf/resource.d/([a-z0-9_-]+)/([A-Za-z0-9_-]+)", path)
        metadata = asked([path, "meta-data"]) if found else None
        if metadata is not None:
            agents["ocf:" + found[1] + ":" + found[2]] = words(metadata)
agents["pacemaker-fenced"] = words(asked(["/usr/lib/pacemaker/pacemaker-fenced", "metadata"]))
packages = {p: version(p) for p in ("fence-agents", "pacemaker", "resource-agents")}
print(json.dumps({"distribution": "debian-12", "packages": packages, "agents": agents}, indent=1))
PYTHON
