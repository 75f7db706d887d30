//! Network boot: TFTP here, the boot options in the dhcp backends.

mod dnsmasq;

use camino::Utf8PathBuf;

use crate::spec::{Cluster, Service};

pub use dnsmasq::Dnsmasq;

/// Where images lie when no group that carries a boot service has a storage.
const OWN: &str = "/var/lib/haoscar/images";

/// Beside the services' folders, and not in one: what boot serves is for everybody, and an image is not.
const SHARED: &str = "haoscar-images";

/// Where the images of a cluster lie: where every head that serves them can read them.
pub fn image_store(cluster: &Cluster) -> Utf8PathBuf {
    let carries = |name: &String| matches!(cluster.services.get(name), Some(Service::Boot(_)));
    let groups = cluster.groups.values().filter(|group| group.services.iter().any(carries));
    let mut storages = groups.filter_map(|group| cluster.storage.get(group.storage.as_ref()?));
    storages.next().map_or_else(|| OWN.into(), |storage| storage.path.join(SHARED))
}
