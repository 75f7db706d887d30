//! dnsmasq as DNS server of the cluster's own names, on every head; only the address moves.

use serde_json::json;

use crate::backends::{Backend, Context, Part, Placement, folder, question, validator};
use crate::desired::{OnChange, names};
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
            directories: ["/etc/haoscar", "/etc/haoscar/names"].map(folder).into(),
            carried: vec![Carried::everywhere(context.name, UNIT).asked(&own_domain(&cluster.domain))],
            packages: vec![(Placement::Heads, "dnsmasq".to_owned())],
            checks: vec![(Placement::Heads, validator("dnsmasq --test", &test))],
            ..Part::default()
        })
    }
}

/// Whether the daemon of this head answers: asked for the cluster's own domain, which it never passes on (RFC 1035 4.1: a
/// header with one question, labels with their lengths, type A, class IN). Any answer is one. `dd` sends it as one datagram.
fn own_domain(domain: &str) -> String {
    let labels: String = domain.split('.').map(|label| format!("\\{:03o}{label}", label.len())).collect();
    let message = format!(r"\0\1\1\0\0\1\0\0\0\0\0\0{labels}\0\0\1\0\1");
    let ask = format!("printf \"{message}\" | dd bs=512 iflag=fullblock status=none >&3");
    question("udp/127.0.0.1/53", &ask, 2)
}
