//! Every code that a problem can carry: what it means, why it is refused, how it is mended. `haoscar explain CODE`
//! prints this table; a test holds a rejected spec against every row.

/// What `haoscar explain` says about one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `area/rule`.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub title: &'static str,
    /// Why that is refused, or said.
    pub why: &'static str,
    /// How to mend it.
    pub mend: &'static str,
    /// A few lines of a spec that are right.
    pub example: &'static str,
    /// Whether `waive` may turn it into a note.
    pub waivable: bool,
}

/// Every code, in order of area.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    SHAPE.iter().chain(RULES)
}

/// One code.
pub fn code(name: &str) -> Option<&'static Code> {
    codes().find(|code| code.code == name)
}

const fn shape(
    code: &'static str,
    title: &'static str,
    why: &'static str,
    mend: &'static str,
    example: &'static str,
) -> Code {
    Code { code, title, why, mend, example, waivable: false }
}

const fn rule(
    code: &'static str,
    title: &'static str,
    why: &'static str,
    mend: &'static str,
    example: &'static str,
) -> Code {
    Code { code, title, why, mend, example, waivable: true }
}

/// What the loader says.
const SHAPE: &[Code] = &[
    shape(
        "spec/missing-file",
        "the spec is not there",
        "nothing was gathered under the name of the root document.",
        "name the spec: haoscar validate PATH.",
        "haoscar validate ./cluster.yaml",
    ),
    shape(
        "spec/too-large",
        "the file is larger than a spec can be",
        "a spec of 100,000 nodes that are written one by one has 28 MB; a larger file is a mistake, and reading it would cost memory on the head that serves everybody.",
        "fold nodes into ranges, and put MACs into a CSV file beside the spec.",
        "nodes:\n  compute[001-512]: { nics: { eno1: { network: inside, address: 10.20.2.1+, macs: macs.csv } } }",
    ),
    shape(
        "spec/not-text",
        "the file is not UTF-8 text",
        "YAML is text; a NUL byte or broken UTF-8 means another kind of file, or a damaged one.",
        "save it as UTF-8, or check that the right file is named.",
        "file cluster.yaml",
    ),
    shape(
        "spec/empty",
        "the file says nothing",
        "a spec needs at least apiVersion, kind, name, domain, networks and heads.",
        "start from specs/minimal.yaml.",
        "apiVersion: haoscar/v1\nkind: Cluster\nname: oscar",
    ),
    shape(
        "spec/tab",
        "a tab stands in the indentation",
        "YAML forbids it, because editors disagree about how wide a tab is.",
        "use two spaces a level.",
        "networks:\n  inside: { role: private, cidr: 10.20.0.0/16 }",
    ),
    shape(
        "spec/syntax",
        "the file is not YAML",
        "a bracket is not closed, a quote is missing, or keys of one mapping are indented differently.",
        "look at the caret and the line above it.",
        "fence: { agent: fence_ipmilan, ip: 10.20.1.1 }",
    ),
    shape(
        "spec/two-documents",
        "a second YAML document begins",
        "one spec describes one cluster; a silent second half would be forgotten.",
        "remove the `---`, or keep the other document in its own file.",
        "apiVersion: haoscar/v1",
    ),
    shape(
        "spec/alias-bomb",
        "aliases unfold to too much",
        "a few lines of aliases of aliases can unfold to billions of values.",
        "write what is meant without `*` aliases.",
        "fence: { agent: fence_ipmilan, ip: 10.20.1.1 }",
    ),
    shape(
        "spec/too-complex",
        "nested too deep, or too many values",
        "a spec is at most seven levels deep; more is a mistake or an attack.",
        "look for a bracket that is opened again and again.",
        "groups: { control: { heads: [head-1, head-2] } }",
    ),
    shape(
        "spec/unknown-key",
        "a key that nothing reads",
        "a mistyped key would otherwise be silently ignored, and its default be used.",
        "correct the key; `haoscar explain FIELD` lists the known ones.",
        "networks: { inside: { role: private, cidr: 10.20.0.0/16 } }",
    ),
    shape(
        "spec/duplicate-key",
        "a key that stands twice",
        "YAML readers disagree whether the first or the last one counts.",
        "keep one of them.",
        "heads:\n  head-1: { ... }\n  head-2: { ... }",
    ),
    shape(
        "spec/wrong-type",
        "a value of the wrong type",
        "a list where a mapping belongs, a number where a text belongs, and the like.",
        "see the hint; quote a text that looks like a number.",
        "heads: [head-1, head-2]",
    ),
    shape(
        "spec/bad-word",
        "a word that is not one of the known ones",
        "only the listed words mean something here.",
        "take one of the list.",
        "networks: { public: { role: public, cidr: 192.0.2.0/24 } }",
    ),
    shape(
        "spec/missing-key",
        "a key that must be there",
        "haoscar has no safe default for it.",
        "add it; the hint shows its form.",
        "domain: oscar.example",
    ),
    shape(
        "spec/no-value",
        "a key without a value",
        "an empty value is usually a line that was not finished.",
        "give it a value, write `{}` for an empty mapping, or remove the key.",
        "services:\n  names: {}",
    ),
    shape(
        "spec/bad-value",
        "a value that cannot be read",
        "the text has not the form that this field needs: an address, a network, a MAC, a time.",
        "the message says which form is expected.",
        "ha: { detect: 1100ms }",
    ),
    shape(
        "spec/bad-name",
        "a name that cannot be used",
        "heads, groups, networks and services become DNS names, file names and resource names.",
        "use lower-case letters, digits and inner hyphens.",
        "groups: { control: { ... } }",
    ),
    shape(
        "spec/too-few",
        "a list that is too short",
        "at least one entry is needed for this to mean anything.",
        "add an entry, or remove the whole key.",
        "exports: [ { path: /srv/state/home, to: inside } ]",
    ),
    shape(
        "spec/no-kind",
        "a service without a kind",
        "the kind is taken from the name only where the name is a kind.",
        "add `kind:`, one of dhcp, boot, names, time, nfs, scheduler, unit, ocf.",
        "services:\n  home: { kind: nfs, exports: [ ... ] }",
    ),
    shape(
        "spec/csv-missing",
        "a CSV list that is not beside the spec",
        "lists are read from the spec's folder and below, never from elsewhere.",
        "add the file, and commit it with the spec.",
        "name,mac\ncompute001,52:54:00:20:01:01",
    ),
    shape(
        "spec/csv-bad",
        "a CSV list that cannot be read",
        "a list has the columns `name,mac`, and one row for every node of the range.",
        "correct the row at the caret.",
        "name,mac\ncompute001,52:54:00:20:01:01",
    ),
];

/// What the lints say.
const RULES: &[Code] = &[
    shape(
        "ref/network",
        "a network that does not exist",
        "the name is used, but `networks` has no such entry.",
        "correct the name, or add the network.",
        "networks: { inside: { role: private, cidr: 10.20.0.0/16 } }",
    ),
    shape(
        "ref/storage",
        "a storage that does not exist",
        "the name is used, but `storage` has no such entry.",
        "correct the name, or add the storage.",
        "storage: { state: { kind: mounted, path: /srv/state } }",
    ),
    shape(
        "ref/head",
        "a head that does not exist",
        "the name is used, but `heads` has no such entry.",
        "correct the name, or add the head.",
        "groups: { control: { heads: [head-1, head-2], ... } }",
    ),
    shape(
        "ref/service",
        "a service that does not exist",
        "a group carries it, but `services` has no such entry.",
        "correct the name, or add the service.",
        "services: { names: {} }",
    ),
    shape(
        "ref/image",
        "an image that does not exist",
        "the name is used, but `images` has no such entry.",
        "correct the name, or add the image.",
        "images: { compute: { path: images/compute } }",
    ),
    shape(
        "ref/nodes",
        "nodes that do not exist",
        "a partition names neither a range of `nodes`, nor a part of one, nor an image that nodes boot.",
        "use a key of `nodes`, or the name of their image.",
        "partitions: { batch: { nodes: \"compute[1-4]\" } }",
    ),
    rule(
        "network/overlap",
        "two networks overlap",
        "a route could lead either way, and DHCP would answer on the wrong side.",
        "give each network a subnet of its own.",
        "networks:\n  public: { role: public, cidr: 192.0.2.0/24 }\n  inside: { role: private, cidr: 10.20.0.0/16 }",
    ),
    rule(
        "network/family",
        "IPv4 and IPv6 are confused",
        "`cidr` is the only subnet or the IPv4 one; `cidr6` is the IPv6 one beside it; `pool6` belongs to `cidr6`.",
        "put an only subnet into `cidr`.",
        "networks: { inside: { role: private, cidr: 10.20.0.0/16, cidr6: \"2001:db8:20::/64\" } }",
    ),
    rule(
        "network/gateway-outside",
        "a router outside its subnet",
        "clients can reach a router only in their own subnet.",
        "correct the gateway or the network.",
        "networks: { public: { role: public, cidr: 192.0.2.0/24, gateway: 192.0.2.1 } }",
    ),
    rule(
        "network/pool-outside",
        "a pool outside its subnet",
        "kea refuses it at start, and then nobody gets an address.",
        "keep the pool within the subnet.",
        "pool: 10.20.250.0-10.20.250.99",
    ),
    rule(
        "address/outside-subnet",
        "an address outside its network",
        "the machine could not be reached there by its neighbours.",
        "correct the address, or the network that the card is plugged into.",
        "eno2: { network: inside, mac: \"52:54:00:20:00:11\", address: 10.20.0.1 }",
    ),
    rule(
        "address/not-a-host",
        "the first or last address of a subnet",
        "they are the network's own and the broadcast address; no machine can have them.",
        "choose one between.",
        "address: 10.20.0.1",
    ),
    rule(
        "address/in-pool",
        "a fixed address in a DHCP pool",
        "DHCP would give it to a machine without a reservation, and two machines would have it.",
        "move the address or the pool.",
        "pool: 10.20.250.0-10.20.250.99",
    ),
    rule(
        "address/of-head",
        "a group's address is a machine's own",
        "the first HA-OSCAR did this: when the dead head boots again, two machines have the address.",
        "give the group an address that no machine configures at boot.",
        "groups: { control: { addresses: { public: 192.0.2.10 }, ... } }",
    ),
    rule(
        "address/twice",
        "an address that two claim",
        "both answer, and connections break at random.",
        "give each its own.",
        "address: 10.20.0.2",
    ),
    rule(
        "mac/twice",
        "a MAC that stands twice",
        "DHCP, boot and imaging know a machine by its MAC; the wrong one could be wiped.",
        "copy it again from the machine: ip link.",
        "mac: \"52:54:00:20:00:11\"",
    ),
    rule(
        "mac/multicast",
        "a MAC that no card can have",
        "the lowest bit of the first byte says multicast.",
        "copy it again from the machine: ip link.",
        "mac: \"52:54:00:20:00:11\"",
    ),
    rule(
        "name/twice",
        "two hosts of one name",
        "heads, witnesses, nodes and groups share the cluster's DNS domain.",
        "rename one.",
        "heads: { head-1: { ... } }",
    ),
    rule(
        "fence/none",
        "a member that nobody can switch off",
        "when a head falls silent, its services may start elsewhere only when it is surely off; otherwise both write the same state.",
        "add the device that switches it off: a BMC, a switched outlet, a hypervisor.",
        "fence: { agent: fence_ipmilan, ip: 10.20.1.1, username: admin, password: { secret: bmc-head-1 } }",
    ),
    rule(
        "fence/no-agent",
        "a fence device without a program",
        "`agent` names the fence_ program that switches the machine off; the other keys are its parameters.",
        "add it; `stonith_admin --list-installed` lists what a head has.",
        "fence: { agent: fence_apc_snmp, ip: 10.20.1.9, port: 4 }",
    ),
    rule(
        "fence/plain-password",
        "a password in the spec",
        "a spec lives in git for ever, on many machines.",
        "name a secret, and store it on the heads.",
        "password: { secret: bmc-head-1 }",
    ),
    rule(
        "fence/bmc-shares-power",
        "only a board inside the machine fences it",
        "when its mains fail, the board is silent too: fencing fails, and the group waits for a person.",
        "use a switched outlet, or waive with the reason why both cannot fail together.",
        "waive: [ { code: fence/bmc-shares-power, reason: \"dual feed, ticket 4711\" } ]",
    ),
    rule(
        "ha/no-tie-break",
        "votes that can split into equal halves",
        "when the members stop hearing each other, both halves would fence the other one.",
        "add a witness, or for two heads a delay that lets the preferred one win.",
        "ha: { fence_delay: 5s }",
    ),
    rule(
        "ha/delay-unused",
        "a fencing delay beside a third vote",
        "the vote already decides who wins; the delay is ignored.",
        "remove `fence_delay`.",
        "ha: { detect: 1100ms }",
    ),
    rule(
        "ha/detect-short",
        "a dead head is declared dead too early",
        "under 660 ms (token 300 ms) a busy head is taken for a dead one and fenced.",
        "use 1100ms, the fastest without a false failover under load.",
        "ha: { detect: 1100ms }",
    ),
    rule(
        "ha/detect-hasty",
        "detection that load could mislead",
        "between 660 ms and 1100 ms a head under heavy load has been taken for dead.",
        "use 1100ms, or waive after drills under load.",
        "ha: { detect: 1100ms }",
    ),
    rule(
        "ha/one-path",
        "one heartbeat path only",
        "one loose cable or switch would look like a dead head.",
        "put all members on a second network; `role: link` is for heartbeats only.",
        "networks: { beat: { role: link, cidr: 10.99.0.0/24 } }",
    ),
    rule(
        "ha/two-qnetd",
        "two qnetd servers",
        "corosync asks one only.",
        "keep one.",
        "witnesses: { arbiter: { kind: qnetd, nics: { ... } } }",
    ),
    shape(
        "ha/no-private",
        "a member without a private card",
        "its node id, boot, storage and scheduler traffic need one.",
        "add a card on a network with `role: private`.",
        "nics: { eno2: { network: inside, mac: \"52:54:00:20:00:11\", address: 10.20.0.1 } }",
    ),
    shape(
        "ha/node-id-twice",
        "two members with one node id",
        "corosync's node id is the host part of the first private address, so that it never depends on order.",
        "give one of them another host part.",
        "address: 10.20.0.2",
    ),
    shape(
        "engine/heartbeat-limits",
        "more than the heartbeat engine can do",
        "Linux-HA 3 knows exactly two heads, one group, fencing and two paths; anything else would be unsafe.",
        "use engine: pacemaker.",
        "ha: { engine: pacemaker }",
    ),
    rule(
        "group/no-storage",
        "a group with state but no storage",
        "the group can move, its leases, locks and jobs cannot: the other head would start empty.",
        "name a storage that all its heads can reach.",
        "groups: { control: { storage: state, ... } }",
    ),
    rule(
        "group/no-address",
        "a group that clients cannot follow",
        "the address is what moves; without one, clients go on asking the dead head.",
        "add an address of the group's own.",
        "addresses: { public: 192.0.2.10, inside: 10.20.0.10 }",
    ),
    rule(
        "group/head-off-network",
        "a head that cannot carry the group's address",
        "after a failover the address would be nowhere.",
        "add a card, or take the head from the group.",
        "heads: [head-1, head-2]",
    ),
    rule(
        "group/head-twice",
        "a head that stands twice in a group",
        "the order of preference would be unclear.",
        "keep the first.",
        "heads: [head-1, head-2]",
    ),
    shape(
        "service/two-groups",
        "a service that is carried twice",
        "a service runs in one place.",
        "leave it in one group, or write a second service.",
        "groups: { control: { services: [names, time], ... } }",
    ),
    rule(
        "service/no-group",
        "a service that runs nowhere",
        "only groups carry services.",
        "add it to a group, or remove it.",
        "groups: { control: { services: [names], ... } }",
    ),
    rule(
        "service/one-a-host",
        "two services that need the same port or unit",
        "after a failover both would be on one head, and the second could not start.",
        "make them one, or keep their groups on different heads.",
        "groups:\n  control: { heads: [head-1, spare], services: [dhcp], ... }\n  files: { heads: [head-2, spare], services: [home], ... }",
    ),
    rule(
        "service/boot-without-dhcp",
        "network boot that nobody announces",
        "machines learn where to boot from by DHCP options.",
        "add a dhcp service, or configure the DHCP server that you have.",
        "services: { dhcp: {}, boot: {} }",
    ),
    rule(
        "scheduler/two-defaults",
        "two default partitions",
        "jobs that name none can go to one only.",
        "leave `default: true` at one.",
        "partitions: { batch: { nodes: compute, default: true } }",
    ),
    rule(
        "export/open",
        "an export that anybody can mount",
        "NFS believes what a client says about its users; a public network holds clients of everybody.",
        "export to a private network.",
        "exports: [ { path: /srv/state/home, to: inside, access: rw } ]",
    ),
    rule(
        "export/outside-storage",
        "an export that stays behind",
        "after a failover the other head would serve another folder under the same name.",
        "move it under the group's storage, or say `external: true`.",
        "exports: [ { path: /srv/state/home, to: inside } ]",
    ),
    shape(
        "image/source",
        "an image from nowhere, or from two places",
        "an image is captured from a head or lies at a path.",
        "give it one of both.",
        "images: { compute: { path: images/compute } }",
    ),
    rule(
        "nodes/mac-count",
        "not one MAC a node",
        "the MACs after a missing one would belong to the wrong machines, and those be imaged.",
        "one MAC a node, in the order of the range.",
        "macs: macs.csv",
    ),
    rule(
        "nodes/one-address",
        "many nodes with one address",
        "without `+` the address does not count up.",
        "put a `+` behind it.",
        "address: 10.20.2.1+",
    ),
    shape(
        "nodes/overrun",
        "node addresses run out of the network",
        "the last nodes would get addresses that their network does not have.",
        "begin lower, or widen the network.",
        "address: 10.20.2.1+",
    ),
    rule(
        "policy/unsigned-rollout",
        "roll-out without signatures",
        "whoever can push to the repository would be root on the heads.",
        "require signed commits.",
        "policy: { rollout: auto, trust: { keys: [ops.pub], required: true } }",
    ),
    rule(
        "policy/no-keys",
        "signatures required, no key trusted",
        "every commit would be refused.",
        "name the public keys beside the spec.",
        "policy: { trust: { keys: [ops.pub], required: true } }",
    ),
    shape(
        "policy/window",
        "a window that cannot be read",
        "roll-out would never, or always, be allowed.",
        "write DAYS HH:MM-HH:MM.",
        "policy: { windows: [ \"Sat 02:00-06:00\" ] }",
    ),
    shape(
        "waive/unknown-code",
        "a waiver of an unknown rule",
        "a mistyped waiver waives nothing.",
        "haoscar explain lists every code.",
        "waive: [ { code: fence/bmc-shares-power, reason: \"dual feed, ticket 4711\" } ]",
    ),
    shape(
        "waive/not-waivable",
        "a waiver of what cannot work",
        "this rule refuses what no daemon could carry out.",
        "mend the spec instead.",
        "waive: [ { code: fence/bmc-shares-power, reason: \"dual feed, ticket 4711\" } ]",
    ),
    shape(
        "waive/unused",
        "a waiver that hits nothing",
        "it would hide the next mistake of this kind.",
        "remove it.",
        "waive: []",
    ),
    shape(
        "template/parse",
        "a template that cannot be read",
        "templates are checked before any file is written.",
        "look at the named line of the template.",
        "{{cluster}}",
    ),
    shape(
        "template/render",
        "a template asks for a value that is not there",
        "a silently empty value is worse than an error.",
        "correct the name in the template.",
        "{{cluster}}",
    ),
];
