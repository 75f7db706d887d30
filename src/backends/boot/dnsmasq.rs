//! dnsmasq as TFTP server, beside DNS in the same instance, on every head; only the address moves.

use serde_json::json;

use crate::backends::names::UNIT;
use crate::backends::{Backend, Context, Part, Placement, state_folder};
use crate::desired::OnChange;
use crate::engines::Carried;
use crate::spec::{BootService, Problem};

/// The dnsmasq backend of boot.
pub struct Dnsmasq;

const CONF: &str = "/etc/dnsmasq.d/haoscar-boot.conf";

impl Backend for Dnsmasq {
    type Service = BootService;

    fn name(&self) -> &'static str {
        "dnsmasq"
    }

    fn resolve(&self, service: &BootService, context: &Context<'_>) -> Result<Part, Problem> {
        let root = context.state()?;
        let restart = OnChange::Restart(UNIT.to_owned());
        let conf = context.file(CONF, "boot/dnsmasq/boot.conf.hbs", json!({ "root": root }), restart)?;
        let mut part = Part {
            files: vec![(Placement::Heads, conf)],
            directories: vec![state_folder(root, "root", "root", 0o755)],
            carried: vec![Carried::everywhere(context.name, UNIT)],
            packages: vec![(Placement::Heads, "dnsmasq".to_owned())],
            ..Part::default()
        };
        super::router(context, &mut part)?;
        super::images(service, context, &mut part)?;
        Ok(part)
    }
}
