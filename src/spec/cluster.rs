//! The whole spec: what one YAML document says.

use std::collections::BTreeMap;
use std::net::IpAddr;

use camino::Utf8PathBuf;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Group, Ha, Head, Image, Network, NetworkRole, Nic, NodeRange, Nodes, Os, Policy, Service, Storage,
    Witness,
};

/// The version of the spec's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first and only one.
    #[serde(rename = "haoscar/v1")]
    V1,
}

/// What the document describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClusterKind {
    /// A cluster.
    Cluster,
}

/// A cluster: everything that one spec describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// `haoscar/v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: ApiVersion,
    /// `Cluster`.
    pub kind: ClusterKind,
    /// The cluster's name, a DNS label; also corosync's and Slurm's cluster name.
    #[schemars(extend("format" = "label"), example = &"oscar")]
    pub name: String,
    /// The DNS domain of every host.
    #[schemars(extend("format" = "domain"), example = &"oscar.example")]
    pub domain: String,
    /// The distribution of heads, witnesses and nodes.
    #[serde(default)]
    pub os: Os,
    /// Subnets with a role, by name.
    #[schemars(extend("propertyNames" = serde_json::json!({ "format": "label" }), "minProperties" = 1))]
    pub networks: BTreeMap<String, Network>,
    /// Machines that can carry protected services, by host name.
    #[schemars(extend("propertyNames" = serde_json::json!({ "format": "label" }), "minProperties" = 1))]
    pub heads: BTreeMap<String, Head>,
    /// Machines that vote and carry nothing, by host name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = serde_json::json!({ "format": "label" })))]
    pub witnesses: BTreeMap<String, Witness>,
    /// The HA engine and how fast it must be.
    #[serde(default)]
    pub ha: Ha,
    /// Where services keep their state, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = serde_json::json!({ "format": "label" })))]
    pub storage: BTreeMap<String, Storage>,
    /// Services that live and move together, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = serde_json::json!({ "format": "label" })))]
    pub groups: BTreeMap<String, Group>,
    /// What must not stop, by name. The `kind` defaults to the name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = serde_json::json!({ "format": "label" })))]
    pub services: BTreeMap<String, Service>,
    /// Images of heads and nodes, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = serde_json::json!({ "format": "label" })))]
    pub images: BTreeMap<String, Image>,
    /// Compute nodes, by folded range.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = serde_json::json!({ "format": "node-range" })))]
    pub nodes: BTreeMap<NodeRange, Nodes>,
    /// When and how the loop may act.
    #[serde(default)]
    pub policy: Policy,
    /// Lints that this site accepts, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waive: Vec<Waive>,
}

impl Cluster {
    /// A card's own addresses with the prefix of the subnet that holds each.
    pub fn own_addresses(&self, nic: &Nic) -> Vec<IpNet> {
        let Some(network) = self.networks.get(&nic.network) else { return Vec::new() };
        let nets: Vec<IpNet> = [Some(network.cidr), network.cidr6].iter().flatten().map(|c| c.0).collect();
        let with_prefix = |address: IpAddr| {
            let net = nets.iter().find(|net| net.contains(&address))?;
            IpNet::new(address, net.prefix_len()).ok()
        };
        nic.addresses().filter_map(with_prefix).collect()
    }

    /// Whether a service is of this kind.
    fn is_of(&self, service: &str, kind: &str) -> bool {
        self.services.get(service).is_some_and(|service| service.kind() == kind)
    }

    /// Heads that can build another one: those of the first group that carries dhcp and boot, in its order.
    pub fn builders<'a>(&'a self, built: &'a str) -> impl Iterator<Item = &'a String> {
        let carries = |group: &Group, kind| group.services.iter().any(|name| self.is_of(name, kind));
        let group = self.groups.values().find(|group| carries(group, "boot") && carries(group, "dhcp"));
        group.into_iter().flat_map(|group| &group.heads).filter(move |head| *head != built)
    }

    /// Heads that serve what machines boot.
    pub fn serving_heads(&self) -> impl Iterator<Item = &String> {
        let boots = |group: &&Group| group.services.iter().any(|name| self.is_of(name, "boot"));
        self.groups.values().filter(boots).flat_map(|group| &group.heads)
    }

    /// Whether some head is built by haoscar.
    pub fn builds(&self) -> bool {
        self.heads.values().any(|head| head.image.is_some())
    }

    /// Whether some node boots this image.
    pub fn is_booted(&self, image: &str) -> bool {
        self.nodes.values().any(|nodes| nodes.image.as_deref() == Some(image))
    }

    /// Images that haoscar takes and nodes run.
    pub fn run_images(&self) -> impl Iterator<Item = (&String, &Image)> {
        self.images.iter().filter(|(name, image)| image.capture.is_some() && self.is_booted(name))
    }

    /// Whether heads serve images that they have taken: to heads that are built, or to nodes.
    pub fn serves_images(&self) -> bool {
        self.builds() || self.run_images().next().is_some()
    }

    /// The storage of that name, where all heads have it always.
    pub fn shared_storage(&self, name: &str) -> Option<&Storage> {
        self.storage.get(name).filter(|storage| storage.is_shared())
    }

    /// Each head's own address where both disks of a storage are kept the same: in the network that is said, else in the first private
    /// one that all of them are in. None where there is no such network.
    pub fn written_over<'a>(
        &'a self,
        storage: &'a Storage,
        heads: &'a [String],
    ) -> Option<Vec<(&'a String, IpAddr)>> {
        let private = self.networks.iter().filter(|(_, network)| network.role == NetworkRole::Private);
        let mut networks: Vec<_> = private.map(|(name, _)| name).collect();
        if let Some(said) = &storage.network {
            networks = vec![said];
        }
        let own = |head: &'a String, network: &String| {
            let mut cards = self.heads.get(head)?.nics.values();
            Some((head, cards.find(|card| card.network == *network)?.address))
        };
        networks.into_iter().find_map(|network| heads.iter().map(|head| own(head, network)).collect())
    }

    /// Where each service of a kind keeps its state, `<storage>/<service>`, with the storage; in order of the groups.
    pub fn stored<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a Storage, Utf8PathBuf)> {
        let groups = self.groups.values();
        let groups = groups.filter_map(|group| Some((group, self.storage.get(group.storage.as_ref()?)?)));
        groups.flat_map(move |(group, storage)| {
            let of_kind = move |name: &&String| self.is_of(name, kind);
            group.services.iter().filter(of_kind).map(move |name| (storage, storage.path.join(name)))
        })
    }
}

/// A lint that this site accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waive {
    /// The lint's code, as `haoscar validate` prints it.
    #[schemars(example = &"fence/bmc-shares-power")]
    pub code: String,
    /// Why this is right here; shown wherever the lint would be.
    #[schemars(length(min = 1), regex(pattern = r"\S"), example = &"dual feed, ticket 4711")]
    pub reason: String,
}
