//! The one handlebars registry: strict, no escaping. Templates are part of the binary; a site's own override them
//! by the same name (issue 4).

use camino::Utf8PathBuf;
use handlebars::Handlebars;
use serde::Serialize;

use crate::desired::{Mode, OnChange, Owner, Piece, Rendered};
use crate::spec::Problem;

/// All templates, parsed.
pub struct Templates {
    registry: Handlebars<'static>,
}

impl Templates {
    /// The packaged templates.
    ///
    /// # Errors
    /// A template that does not parse, by name.
    pub fn packaged() -> Result<Self, Problem> {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(handlebars::no_escape);
        let mut templates = Self { registry };
        for (name, text) in PACKAGED {
            templates.add(name, text)?;
        }
        Ok(templates)
    }

    fn add(&mut self, name: &str, text: &str) -> Result<(), Problem> {
        self.registry
            .register_template_string(name, text)
            .map_err(|e| Problem::error("template/parse", format!("template {name} does not parse: {e}")))
    }

    /// The line that every made file begins with.
    pub fn header(name: &str) -> String {
        format!("made by haoscar from templates/{name}: change the spec, not this file")
    }

    /// A root-owned 0644 text file made from one template, with `header` among its values.
    ///
    /// # Errors
    /// What [`Templates::render`] says.
    pub fn file(
        &self,
        path: impl Into<Utf8PathBuf>,
        template: &str,
        mut values: serde_json::Value,
        on_change: OnChange,
    ) -> Result<Rendered, Problem> {
        values["header"] = Self::header(template).into();
        Ok(Rendered {
            path: path.into(),
            owner: Owner::root(),
            mode: Mode(0o644),
            text: vec![Piece::Text(self.render(template, &values)?)],
            on_change,
            source: format!("templates/{template}"),
        })
    }

    /// Renders template `name` (`dhcp/kea/kea-dhcp4.conf.hbs`) with `values`.
    ///
    /// # Errors
    /// An unknown template or a value that the template asks for and `values` does not have.
    pub fn render(&self, name: &str, values: &impl Serialize) -> Result<String, Problem> {
        self.registry.render(name, values).map_err(|e| {
            Problem::error("template/render", format!("template {name} cannot be rendered: {e}"))
        })
    }
}

/// Puts a packaged template into the binary under its own name.
macro_rules! packaged {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../templates/", $name)))),*]
    };
}

/// Name under `templates/`, and text.
const PACKAGED: &[(&str, &str)] = packaged![
    "hosts/hosts.hbs",
    "time/chrony/chrony.conf.hbs",
    "names/dnsmasq/names.conf.hbs",
    "names/dnsmasq/names.hosts.hbs",
    "boot/dnsmasq/boot.conf.hbs",
    "dhcp/kea/kea-dhcp4.conf.hbs",
    "dhcp/kea/kea-dhcp6.conf.hbs",
    "dhcp/kea/reload.conf.hbs",
    "nfs/ganesha/ganesha.conf.hbs",
    "scheduler/slurm/slurm.conf.hbs",
    "scheduler/slurm/cgroup.conf.hbs",
    "scheduler/slurm/slurmctld.conf.hbs",
    "scheduler/slurm/slurmd.conf.hbs",
    "scheduler/openpbs/pbs.conf.hbs",
    "scheduler/openpbs/mom.conf.hbs",
    "scheduler/openpbs/mom.sh.hbs",
    "scheduler/openpbs/mom.service.hbs",
    "scheduler/openpbs/qmgr.hbs",
    "engine/pacemaker/corosync.conf.hbs",
    "engine/pacemaker/qdevice.hbs",
    "engine/pacemaker/qdevice.conf.hbs",
    "engine/pacemaker/qdevice.sh.hbs",
    "engine/pacemaker/qnetd.hbs",
    "engine/pacemaker/qnetd.conf.hbs",
    "engine/pacemaker/ocf/unit.hbs",
    "engine/pacemaker/ocf/address.hbs",
    "engine/pacemaker/unit.conf.hbs",
    "engine/pacemaker/watch.service.hbs",
    "engine/pacemaker/alive.service.hbs",
    "engine/pacemaker/alert.hbs",
    "engine/recover.conf.hbs",
    "engine/recover.service.hbs",
    "engine/daemon.service.hbs",
    "engine/pacemaker/fence.hbs",
    "engine/pacemaker/secret.hbs",
    "engine/heartbeat/ha.cf.hbs",
    "engine/heartbeat/haresources.hbs",
    "engine/heartbeat/authkeys.hbs",
    "engine/heartbeat/address.hbs",
    "engine/heartbeat/unit.hbs",
    "engine/heartbeat/unit.conf.hbs",
    "engine/heartbeat/stonith.hbs",
    "engine/heartbeat/mend.service.hbs",
];

/// Every packaged template, by its name under `templates/`, as `haoscar explain template` shows them.
pub fn sources() -> impl Iterator<Item = (&'static str, &'static str)> {
    PACKAGED.iter().copied()
}
