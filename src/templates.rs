//! The one handlebars registry: strict, no escaping. Templates are part of the binary; a site's own stand in place of those of
//! the same name, and a site's own files are templates too.
//!
//! A value that a template asks for and does not get is an error; so is a site's template that nobody would use.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use handlebars::{
    Context, Handlebars, Helper, HelperResult, Output, RenderContext, RenderError, RenderErrorReason,
};
use serde_json::Value;

use crate::desired::{Mode, OnChange, Owner, Piece, Rendered, SiteFile};
use crate::spec::{Problem, Sources, nearest, place_in};

/// All templates, parsed.
pub struct Templates {
    registry: Handlebars<'static>,
    /// What a site wrote, by template.
    own: BTreeMap<String, Own>,
    /// Files of a site's own, in order of their names.
    files: Vec<SiteFile>,
    /// The values that each template was last given, where somebody wants to know.
    given: Option<Mutex<BTreeMap<String, Value>>>,
}

/// A template that a site wrote.
struct Own {
    file: Utf8PathBuf,
    text: String,
    /// Lines of the file before its template begins.
    before: usize,
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
        registry.register_helper("stored_secret", Box::new(stored_secret));
        let mut templates = Self { registry, own: BTreeMap::new(), files: Vec::new(), given: None };
        for (name, text) in PACKAGED {
            templates.add(name, text)?;
        }
        Ok(templates)
    }

    /// The packaged templates, those of the site in place of them, and the site's own files.
    ///
    /// # Errors
    /// Every template of the site that does not parse or that nobody would use.
    pub fn of(sources: &Sources) -> Result<Self, Vec<Problem>> {
        let mut templates = Self::packaged().map_err(|problem| vec![problem])?;
        let mut wrong = Vec::new();
        for (path, bytes) in &sources.files {
            if let Some(name) = in_place_of(path) {
                wrong.extend(templates.shadow(name, path, bytes).err());
            } else if path.starts_with(Sources::FILES) && path.extension() == Some("hbs") {
                wrong.extend(templates.add_file(path, bytes).err());
            }
        }
        if wrong.is_empty() { Ok(templates) } else { Err(wrong) }
    }

    /// The same, which remembers what each template is given.
    #[must_use]
    pub fn remembering(mut self) -> Self {
        self.given = Some(Mutex::default());
        self
    }

    /// What a template was last given, where that is remembered.
    pub fn given(&self, name: &str) -> Option<Value> {
        let given = self.given.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        given.get(name).cloned()
    }

    /// Packaged templates that are not used, for a site's stand in their place.
    pub fn shadowed(&self) -> impl Iterator<Item = &str> {
        PACKAGED.iter().map(|(name, _)| *name).filter(|name| self.own.contains_key(*name))
    }

    /// Files of the site's own.
    pub fn files(&self) -> &[SiteFile] {
        &self.files
    }

    fn add(&mut self, name: &str, text: &str) -> Result<(), Problem> {
        self.registry.register_template_string(name, text).map_err(|e| {
            let (line, column) = (e.pos().map_or(1, |at| at.0), e.pos().map_or(1, |at| at.1));
            self.problem(name, "parse", &format!("does not parse: {}", e.reason()), (line, column))
        })
    }

    fn shadow(&mut self, name: &str, file: &Utf8Path, bytes: &[u8]) -> Result<(), Problem> {
        let known = || PACKAGED.iter().map(|(name, _)| *name);
        if !known().any(|known| known == name) {
            let problem =
                Problem::error("template/unknown", format!("{file} stands in place of no packaged template"));
            let hint = match nearest(name, known()) {
                Some(near) => format!("did you mean {near}? `haoscar explain template` lists them"),
                None => "`haoscar explain template` lists them; a file of your own belongs below files/"
                    .to_owned(),
            };
            return Err(problem.at(place_in(file, "", 1, 1)).hint(hint));
        }
        let text = utf8(file, bytes)?;
        self.own.insert(name.to_owned(), Own { file: file.to_owned(), text: text.to_owned(), before: 0 });
        self.add(name, text)
    }

    fn add_file(&mut self, file: &Utf8Path, bytes: &[u8]) -> Result<(), Problem> {
        let text = utf8(file, bytes)?;
        let (found, template, before) = SiteFile::read(file, text)?;
        let name = found.name.clone();
        self.own.insert(name.clone(), Own { file: file.to_owned(), text: text.to_owned(), before });
        self.add(&name, template)?;
        self.files.push(found);
        Ok(())
    }

    /// What is wrong with a template, at its place where a site wrote it.
    fn problem(&self, name: &str, code: &str, said: &str, (line, column): (usize, usize)) -> Problem {
        let code = format!("template/{code}");
        match self.own.get(name) {
            Some(own) => Problem::error(code, format!("{} {said}", own.file)).at(place_in(
                &own.file,
                &own.text,
                own.before + line,
                column,
            )),
            None => Problem::error(code, format!("template {name} {said}")),
        }
    }

    /// The line that every made file begins with.
    pub fn header(&self, name: &str) -> String {
        format!("made by haoscar from {}: change the spec, not this file", self.source(name))
    }

    /// Where a template is from, for people.
    pub fn source(&self, name: &str) -> String {
        match self.own.get(name) {
            Some(own) if own.file.is_absolute() => own.file.to_string(),
            Some(own) => format!("the spec's {}", own.file),
            None => format!("templates/{name}"),
        }
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
        values["header"] = self.header(template).into();
        Ok(Rendered {
            path: path.into(),
            owner: Owner::root(),
            mode: Mode(0o644),
            text: pieces(self.render(template, values)?),
            on_change,
            source: self.source(template),
        })
    }

    /// Renders template `name` (`dhcp/kea/kea-dhcp4.conf.hbs`) with `values`.
    ///
    /// # Errors
    /// An unknown template or a value that the template asks for and `values` does not have.
    pub fn render(&self, name: &str, values: Value) -> Result<String, Problem> {
        if let Some(given) = &self.given {
            given.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), values.clone());
        }
        // handlebars would take a copy of what it is lent, of 100,000 nodes too
        self.registry.render_with_context(name, &Context::from(values)).map_err(|e| {
            let at = (e.line_no.unwrap_or(1), e.column_no.unwrap_or(1));
            let problem = self.problem(name, "render", &format!("cannot be rendered: {}", e.reason()), at);
            if self.own.contains_key(name) && !name.starts_with(Sources::FILES) {
                return problem
                    .hint(format!("`haoscar explain template {name} --values` shows what it may ask for"));
            }
            problem
        })
    }
}

/// Marks a secret's place in a rendered text; no template and no name in the store holds this character.
const SLOT: char = '\u{1}';

/// A secret's place, for a template's values.
pub fn slot(secret: &str) -> String {
    format!("{SLOT}{secret}{SLOT}")
}

/// A rendered text with its secrets' places as pieces that only its target can fill.
fn pieces(text: String) -> Vec<Piece> {
    if !text.contains(SLOT) {
        return vec![Piece::Text(text.into())];
    }
    let piece = |(i, part): (usize, &str)| {
        if i % 2 == 0 { Piece::Text(part.into()) } else { Piece::Secret(part.to_owned()) }
    };
    text.split(SLOT).enumerate().map(piece).collect()
}

/// `{{stored_secret "NAME"}}`: a secret of the store, whose bytes go in on the target.
fn stored_secret(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let name = helper.param(0).and_then(|name| name.value().as_str()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        let why =
            format!("`stored_secret` takes the name of a secret: letters, digits, - and _, not `{name}`");
        return Err(RenderError::from(RenderErrorReason::Other(why)));
    }
    Ok(out.write(&slot(name))?)
}

/// The packaged template that a file of the site would stand in place of.
fn in_place_of(path: &Utf8Path) -> Option<&str> {
    let within = path.strip_prefix(Sources::TEMPLATES).or_else(|_| path.strip_prefix(Sources::OF_MACHINE));
    within.ok().map(Utf8Path::as_str).filter(|_| path.extension() == Some("hbs"))
}

fn utf8<'a>(file: &Utf8Path, bytes: &'a [u8]) -> Result<&'a str, Problem> {
    let place = || place_in(file, "", 1, 1);
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Problem::error("template/parse", format!("{file} is not UTF-8")).at(place()))?;
    if text.contains(SLOT) {
        let message = format!("{file} holds the character U+0001, which marks secrets");
        return Err(Problem::error("template/parse", message).at(place()));
    }
    Ok(text)
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
    "boot/grub.cfg.hbs",
    "boot/images.service.hbs",
    "boot/node.ipxe.hbs",
    "boot/nodes.hbs",
    "boot/radvd.conf.hbs",
    "dhcp/kea/kea-dhcp4.conf.hbs",
    "dhcp/kea/kea-dhcp6.conf.hbs",
    "dhcp/kea/reload.conf.hbs",
    "dhcp/kea/leases.conf.hbs",
    "dhcp/kea/leases.service.hbs",
    "dhcp/dnsmasq/dhcp.conf.hbs",
    "dhcp/dnsmasq/hosts.hbs",
    "dhcp/dnsmasq/dhcp.service.hbs",
    "dhcp/leases.hbs",
    "nfs/ganesha/ganesha.conf.hbs",
    "nfs/kernel/exports.hbs",
    "nfs/kernel/nfs.conf.hbs",
    "nfs/kernel/server.conf.hbs",
    "scheduler/slurm/slurm.conf.hbs",
    "scheduler/slurm/cgroup.conf.hbs",
    "scheduler/slurm/jobs.hbs",
    "scheduler/slurm/jobs.service.hbs",
    "scheduler/slurm/slurmctld.conf.hbs",
    "scheduler/slurm/slurmd.conf.hbs",
    "scheduler/openpbs/pbs.conf.hbs",
    "scheduler/openpbs/mom.conf.hbs",
    "scheduler/openpbs/mom.sh.hbs",
    "scheduler/openpbs/mom.service.hbs",
    "scheduler/openpbs/qmgr.hbs",
    "scheduler/openpbs/hook.py.hbs",
    "scheduler/openpbs/server.sh.hbs",
    "scheduler/openpbs/server.service.hbs",
    "scheduler/openpbs/stonith.sh.hbs",
    "engine/pacemaker/corosync.conf.hbs",
    "engine/pacemaker/qdevice.hbs",
    "engine/pacemaker/qdevice.conf.hbs",
    "engine/pacemaker/qdevice.sh.hbs",
    "engine/pacemaker/qnetd.hbs",
    "engine/pacemaker/qnetd.conf.hbs",
    "engine/pacemaker/ocf/unit.hbs",
    "engine/pacemaker/ocf/address.hbs",
    "engine/pacemaker/ocf/drbd.hbs",
    "engine/pacemaker/ocf/mirror.hbs",
    "engine/pacemaker/ocf/storage.hbs",
    "storage/drbd.res.hbs",
    "storage/drbd.service.hbs",
    "storage/mirror.service.hbs",
    "engine/pacemaker/unit.conf.hbs",
    "engine/pacemaker/watch.service.hbs",
    "engine/pacemaker/alive.service.hbs",
    "engine/pacemaker/alert.hbs",
    "engine/recover.conf.hbs",
    "engine/recover.service.hbs",
    "engine/daemon.service.hbs",
    "engine/pacemaker/fence.hbs",
    "engine/pacemaker/secret.hbs",
    "engine/pacemaker/sbd.hbs",
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
