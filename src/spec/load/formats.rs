//! Texts with a form of their own, by the `format` word of the schema. What a person can get wrong is said here.

use std::net::IpAddr;

use crate::spec::address::is_label;
use crate::spec::{Cidr, Division, Mac, NodeRange, Range, Span};

type Check = fn(&str) -> Result<(), String>;

/// Format word, and its check.
const FORMATS: &[(&str, Check)] = &[
    ("mac", |t| t.parse::<Mac>().map(drop)),
    ("cidr", |t| t.parse::<Cidr>().map(drop)),
    ("range", |t| t.parse::<Range>().map(drop)),
    ("span", |t| t.parse::<Span>().map(drop)),
    ("node-range", |t| t.parse::<NodeRange>().map(drop)),
    ("ip", address),
    ("first-address", |t| address(t.strip_suffix('+').unwrap_or(t))),
    ("label", label),
    ("domain", domain),
    ("interface", interface),
    ("unit", unit),
    ("ocf-agent", agent),
    ("absolute-path", absolute),
    ("console", console),
    ("partition", partition),
    ("pbs-attribute", pbs_attribute),
    ("pbs-hook", pbs_hook),
];

/// Checks `text` against the format; an unknown format word passes.
///
/// # Errors
/// What is wrong with it.
pub fn check(format: &str, text: &str) -> Result<(), String> {
    FORMATS.iter().find(|(name, _)| *name == format).map_or(Ok(()), |(_, check)| check(text))
}

fn address(text: &str) -> Result<(), String> {
    if text.contains('/') {
        return Err(format!("`{text}` is a network; one address without `/PREFIX` is expected"));
    }
    text.parse::<IpAddr>().map(drop).map_err(|_| format!("`{text}` is not an IP address"))
}

fn label(text: &str) -> Result<(), String> {
    let lower = !text.chars().any(|c| c.is_ascii_uppercase());
    if is_label(text) && lower {
        return Ok(());
    }
    Err(format!(
        "`{text}` is not a name: lower-case letters, digits and inner hyphens are expected, 63 at most"
    ))
}

/// `resources_default.ncpus`.
fn pbs_attribute(text: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
    if text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(good) {
        return Ok(());
    }
    Err(format!("`{text}` is no attribute of OpenPBS: lower-case letters, digits, `_` and `.` are expected"))
}

/// A hook's name is also a file's.
fn pbs_hook(text: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(good) {
        return Ok(());
    }
    Err(format!("`{text}` is no name of a hook: letters, digits and `_` are expected"))
}

fn domain(text: &str) -> Result<(), String> {
    if text.len() <= 253 && text.split('.').all(is_label) {
        return Ok(());
    }
    Err(format!(
        "`{text}` is not a DNS domain: labels with dots between are expected, for example oscar.example"
    ))
}

/// IFNAMSIZ is 16 with the ending NUL (linux/if.h).
const INTERFACE_BYTES_MAX: usize = 15;

fn interface(text: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':');
    if (1..=INTERFACE_BYTES_MAX).contains(&text.len())
        && text.chars().all(good)
        && text != "."
        && text != ".."
    {
        return Ok(());
    }
    Err(format!(
        "`{text}` is not an interface name: 1 to {INTERFACE_BYTES_MAX} characters without space, `/` or `:`"
    ))
}

fn unit(text: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "@:._\\-".contains(c);
    match text.strip_suffix(".service") {
        Some(stem) if !stem.is_empty() && stem.chars().all(good) => Ok(()),
        _ => Err(format!("`{text}` is not a unit: NAME.service is expected")),
    }
}

fn agent(text: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        ["ocf", provider, name] if [provider, name].iter().all(|p| !p.is_empty() && p.chars().all(good)) => {
            Ok(())
        }
        _ => Err(format!(
            "`{text}` is not an OCF agent: ocf:PROVIDER:NAME is expected, for example ocf:heartbeat:Dummy"
        )),
    }
}

/// It becomes a line of fstab(5).
fn partition(text: &str) -> Result<(), String> {
    let plain = |part: &str| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(good)
    };
    let folder = text.strip_prefix('/').is_some_and(|rest| rest.is_empty() || rest.split('/').all(plain));
    if folder || text == Division::SWAP {
        return Ok(());
    }
    Err(format!("`{text}` is no part of a disk: `/`, `swap` or a folder is expected, for example /scratch"))
}

/// Documentation/admin-guide/serial-console of the kernel: a device, and a rate with parity and bits.
fn console(text: &str) -> Result<(), String> {
    let (device, options) = text.split_once(',').unwrap_or((text, "115200"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain(device) && plain(options) && device.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Ok(());
    }
    Err(format!(
        "`{text}` is not a console of the kernel: DEVICE or DEVICE,RATE is expected, for example ttyS0,115200"
    ))
}

fn absolute(text: &str) -> Result<(), String> {
    let clean = !text.split('/').any(|part| part == ".." || part == ".");
    if text.starts_with('/') && text.len() > 1 && clean && !text.contains(char::is_control) {
        return Ok(());
    }
    Err(format!("`{text}` is not an absolute path: /FOLDER without `.` and `..` is expected"))
}
