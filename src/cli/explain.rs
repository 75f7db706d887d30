//! `haoscar explain`: the reference at hand, for codes, fields of the spec, and templates.

use std::fmt::Write;

use clap::Args;
use serde_json::json;

use super::{Common, Exit, Failure, Format, out};
use crate::desired::{Surroundings, resolve};
use crate::spec::{
    Code, Field, Loaded, Sources, Span, WatchUrl, WatchedBy, code, codes, field_paths, fields, judge, nearest,
};
use crate::templates::{self, Templates};

/// Options of `haoscar explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar explain                           every code
  haoscar explain fence/none                a code that validate printed
  haoscar explain ha.detect                 a field
  haoscar explain 'heads.*.nics.*.mac'      * stands for any name
  haoscar explain services.nfs              the words of one kind of service
  haoscar explain template                  every template
  haoscar explain template dhcp/kea/kea-dhcp4.conf.hbs
  haoscar explain template dhcp/kea/kea-dhcp4.conf.hbs --values
  haoscar explain template files --values   what a file of your own, files/heads/etc/motd.hbs, may ask for

Exit status: 0 explained, 64 nothing of that name (the nearest one is named).")]
pub struct Options {
    /// A code such as fence/none, a field such as ha.detect, or the word `template`
    #[arg(value_name = "CODE|FIELD|template")]
    what: Option<String>,
    /// The template's name, after the word `template`
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// With a template: what it may ask for, as JSON with the values of a reference spec
    #[arg(long)]
    values: bool,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let json = common.format == Format::Json;
    let said = match (options.what.as_deref(), options.name.as_deref()) {
        (None, _) => list(json),
        (Some("template" | "templates"), Some(name)) if options.values => values(name)?,
        _ if options.values => {
            return Err(Failure::new(
                Exit::Usage,
                "--values is for one template: explain template NAME --values",
            ));
        }
        (Some("template" | "templates"), name) => template(name, json)?,
        (Some(word), None) => word_page(word, json)?,
        (Some(word), Some(name)) => {
            return Err(Failure::new(Exit::Usage, format!("`explain {word} {name}` has one word too many"))
                .hint("only `template` takes a name"));
        }
    };
    out::say(&said);
    Ok(Exit::Done)
}

fn list(json: bool) -> String {
    if json {
        let all: Vec<_> = codes().map(code_json).collect();
        return format!("{:#}\n", json!(all));
    }
    let width = codes().map(|code| code.code.len()).max().unwrap_or(0);
    let mut said = String::from("Codes (haoscar explain CODE):\n");
    for code in codes() {
        let _ = writeln!(said, "  {:width$}  {}", code.code, code.title);
    }
    said.push_str("\nSections of the spec (haoscar explain FIELD):\n");
    for path in field_paths().iter().filter(|path| !path.contains('.')) {
        for field in fields(path) {
            let _ =
                writeln!(said, "  {:width$}  {}", field.path, field.about.first().map_or("", |a| a.as_str()));
        }
    }
    said
}

fn word_page(word: &str, json: bool) -> Result<String, Failure> {
    if let Some(code) = code(word) {
        return Ok(if json { format!("{:#}\n", code_json(code)) } else { code_page(code) });
    }
    let found = fields(word);
    if !found.is_empty() {
        let pages: Vec<String> = found.iter().map(field_page).collect();
        return Ok(if json { format!("{:#}\n", json!(found)) } else { pages.join("\n") });
    }
    if templates::sources().any(|(name, _)| name == word) {
        return template(Some(word), json);
    }
    let paths = field_paths();
    let known = codes().map(|code| code.code).chain(paths.iter().map(String::as_str));
    let hint = match nearest(word, known) {
        Some(near) => format!("did you mean `haoscar explain '{near}'`?"),
        None => "`haoscar explain` lists every code and section".to_owned(),
    };
    Err(Failure::new(Exit::Usage, format!("`{word}` is neither a code nor a field of the spec")).hint(hint))
}

fn code_json(code: &Code) -> serde_json::Value {
    json!({ "code": code.code, "title": code.title, "why": code.why, "mend": code.mend, "example": code.example, "waivable": code.waivable })
}

fn code_page(code: &Code) -> String {
    let mut said =
        format!("{}: {}\n\nWhy:  {}\nMend: {}\n\nExample:\n", code.code, code.title, code.why, code.mend);
    for line in code.example.lines() {
        let _ = writeln!(said, "  {line}");
    }
    let waive = if code.waivable {
        format!(
            "\nWhere it is right all the same, waive it with the reason:\n  waive: [ {{ code: {}, reason: \"...\" }} ]\n",
            code.code
        )
    } else {
        "\nIt cannot be waived.\n".to_owned()
    };
    said + &waive
}

fn field_page(field: &Field) -> String {
    let needed = if field.required { ", required" } else { "" };
    let mut said = format!("{}: {}{needed}\n\n", field.path, field.form);
    for about in &field.about {
        let _ = writeln!(said, "{about}");
    }
    if let Some(default) = &field.default {
        let _ = writeln!(said, "\nDefault: {default}");
    }
    if let Some(example) = &field.example {
        let name = field.path.rsplit('.').next().unwrap_or_default();
        let _ = writeln!(said, "\nExample:\n  {name}: {example}");
    }
    let width = field
        .words
        .iter()
        .map(|(word, _)| word.len())
        .chain(field.keys.iter().map(|key| key.0.len()))
        .max()
        .unwrap_or(0);
    if !field.words.is_empty() {
        said.push_str("\nWords:\n");
        for (word, about) in &field.words {
            let _ = writeln!(said, "  {word:width$}  {about}");
        }
    }
    if !field.keys.is_empty() {
        said.push_str("\nKeys:\n");
        for (key, required, about) in &field.keys {
            let needed = if *required { "required. " } else { "" };
            let line = format!("  {key:width$}  {needed}{about}");
            let _ = writeln!(said, "{}", line.trim_end());
        }
    }
    said
}

fn template(name: Option<&str>, json: bool) -> Result<String, Failure> {
    let Some(name) = name else {
        let names: Vec<&str> = templates::sources().map(|(name, _)| name).collect();
        return Ok(if json {
            format!("{:#}\n", json!(names))
        } else {
            names.iter().map(|name| format!("{name}\n")).collect()
        });
    };
    match templates::sources().find(|(known, _)| *known == name) {
        Some((name, text)) if json => Ok(format!("{:#}\n", json!({ "name": name, "text": text }))),
        Some((_, text)) => Ok(text.to_owned()),
        None => {
            let hint = match nearest(name, templates::sources().map(|(name, _)| name)) {
                Some(near) => format!("did you mean `haoscar explain template {near}`?"),
                None => "`haoscar explain template` lists them".to_owned(),
            };
            Err(Failure::new(Exit::Usage, format!("there is no template `{name}`")).hint(hint))
        }
    }
}

/// Specs that render every template together, the plainest first.
const REFERENCE: [&str; 13] = [
    include_str!("../../specs/ha-oscar-2004.yaml"),
    include_str!("../../specs/ha-oscar-2004-pbs.yaml"),
    include_str!("../../specs/openpbs-native.yaml"),
    include_str!("../../specs/qnetd.yaml"),
    include_str!("../../specs/dnsmasq.yaml"),
    include_str!("../../specs/exclusive.yaml"),
    include_str!("../../specs/kernel-nfs.yaml"),
    include_str!("../../specs/drbd.yaml"),
    include_str!("../../specs/mirror.yaml"),
    include_str!("../../specs/heartbeat.yaml"),
    include_str!("../../specs/ipv6.yaml"),
    include_str!("../../specs/fence-levels.yaml"),
    include_str!("../../specs/self-build.yaml"),
];

/// Stands for any file of a site's own.
const OF_SITE: &str = "files/heads/etc/example.hbs";

/// What a template is given, found by rendering it.
fn values(name: &str) -> Result<String, Failure> {
    let asked = if name == Sources::FILES { OF_SITE } else { name };
    for spec in REFERENCE {
        let mut sources = Sources::of_text(Sources::ROOT, spec);
        sources.files.insert(OF_SITE.into(), Vec::new());
        let Ok((Loaded { mut cluster, .. }, _)) = judge(&sources) else { continue };
        let url = WatchUrl::Text("https://watch.example/1".to_owned());
        cluster.ha.watched_by.get_or_insert(WatchedBy { url, every: Span::from_millis(60_000) });
        let Ok(templates) = Templates::of(&sources).map(Templates::remembering) else { continue };
        let _ = resolve(&cluster, &Surroundings::whole(&cluster), &templates);
        if let Some(values) = templates.given(asked) {
            return Ok(format!("{values:#}\n"));
        }
    }
    template(Some(name), false)?; // says so where there is none
    Err(Failure::new(Exit::Failed, format!("no reference spec renders {name}")))
}
