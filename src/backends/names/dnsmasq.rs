//! dnsmasq as DNS server of the cluster's own names, on every head; only the address moves.

use camino::Utf8PathBuf;
use serde_json::json;

use crate::backends::{Backend, Context, Part, Placement, validator};
use crate::desired::{Directory, Mode, OnChange, Owner, names};
use crate::engines::Carried;
use crate::spec::{NamesService, Problem};

/// The dnsmasq backend of names.
pub struct Dnsmasq;

/// The unit that names and boot share.
pub const UNIT: &str = "dnsmasq.service";
const CONF: &str = "/etc/dnsmasq.d/haoscar-names.conf";
const HOSTS: &str = "/etc/haoscar/names/hosts";

impl Backend for Dnsmasq {
    type Service = NamesService;

    fn name(&self) -> &'static str {
        "dnsmasq"
    }

    fn resolve(&self, service: &NamesService, context: &Context<'_>) -> Result<Part, Problem> {
        let cluster = context.cluster;
        let values = json!({ "domain": cluster.domain, "hosts": HOSTS, "forwarders": service.forwarders });
        let restart = OnChange::Restart(UNIT.to_owned());
        let conf = context.file(CONF, "names/dnsmasq/names.conf.hbs", values, restart)?;
        let hosts = json!({ "hosts": names::everybody(cluster)? });
        let list =
            context.file(HOSTS, "names/dnsmasq/names.hosts.hbs", hosts, OnChange::Reload(UNIT.to_owned()))?;
        let test = ["dnsmasq", "--test", "-C", &format!("{{staged:{CONF}}}")];
        Ok(Part {
            files: vec![(Placement::Heads, conf), (Placement::Heads, list)],
            directories: vec![folder("/etc/haoscar"), folder("/etc/haoscar/names")],
            carried: vec![Carried::everywhere(context.name, UNIT)],
            packages: vec![(Placement::Heads, "dnsmasq".to_owned())],
            checks: vec![(Placement::Heads, validator("dnsmasq --test", &test))],
            ..Part::default()
        })
    }
}

fn folder(path: &str) -> (Placement, Directory) {
    let path = Utf8PathBuf::from(path);
    (Placement::Heads, Directory { path, owner: Owner::root(), mode: Mode(0o755), shared: false })
}
