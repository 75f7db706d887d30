//! Words that stand for machines on a wire: MAC, CIDR, address range, folded node range.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// Gives a type that is written as one string its serde and schema faces, from `FromStr` and `Display`.
macro_rules! written_as_string {
    ($type:ty, $name:literal, $format:literal, $about:literal, $example:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": $format, "description": $about, "examples": [$example] })
            }
        }
    };
}
pub(crate) use written_as_string;

/// A 48-bit MAC address, shown in lower case with colons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);
written_as_string!(Mac, "Mac", "mac", "A MAC address, six bytes in hex with colons.", "52:54:00:20:00:01");

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a MAC address: six bytes in hex with colons are expected");
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|p| p.len() == 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        if parts.next().is_some() { Err(wrong()) } else { Ok(Self(bytes)) }
    }
}

/// A network in CIDR form, host bits zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(pub IpNet);
written_as_string!(Cidr, "Cidr", "cidr", "A network in CIDR form, host bits zero.", "10.20.0.0/16");

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cidr {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let net: IpNet = text.parse().map_err(|_| {
            format!("`{text}` is not a network: ADDRESS/PREFIX is expected, for example 10.20.0.0/16")
        })?;
        let trunc = net.trunc();
        if net == trunc {
            Ok(Self(net))
        } else {
            Err(format!("`{text}` has host bits set: the network is {trunc}"))
        }
    }
}

/// A range of addresses `FIRST-LAST`, both ends included, one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// The lowest address.
    pub first: IpAddr,
    /// The highest address, not below `first`.
    pub last: IpAddr,
}
written_as_string!(
    Range,
    "Range",
    "range",
    "Addresses FIRST-LAST, both included.",
    "10.20.250.0-10.20.250.99"
);

impl Range {
    /// Whether `address` lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first <= address && address <= self.last
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for Range {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a range: FIRST-LAST is expected, for example 10.0.0.10-10.0.0.99");
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let first: IpAddr = first.trim().parse().map_err(|_| wrong())?;
        let last: IpAddr = last.trim().parse().map_err(|_| wrong())?;
        if first.is_ipv4() != last.is_ipv4() {
            return Err(format!("`{text}` mixes IPv4 and IPv6"));
        }
        if first > last { Err(format!("`{text}` runs backwards")) } else { Ok(Self { first, last }) }
    }
}

/// `address` plus `n`, or none past the end of the family.
pub fn advance(address: IpAddr, n: u64) -> Option<IpAddr> {
    match address {
        IpAddr::V4(a) => u32::from(a).checked_add(u32::try_from(n).ok()?).map(|v| Ipv4Addr::from(v).into()),
        IpAddr::V6(a) => u128::from(a).checked_add(u128::from(n)).map(|v| Ipv6Addr::from(v).into()),
    }
}

/// A folded list of node names: `compute[001-064]`, `login`, `rack[1-2,7]`. One bracket at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeRange(String);
written_as_string!(
    NodeRange,
    "NodeRange",
    "node-range",
    "Node names, folded: one bracket of numbers at most.",
    "compute[001-064]"
);

/// More nodes than this in one range is taken for a typing error; the largest sites today have about 160,000 nodes.
pub const NODES_PER_RANGE_MAX: u64 = 1_000_000;

impl NodeRange {
    /// The range as it was written, which Slurm reads as it is.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Every name, in the order written.
    pub fn names(&self) -> Vec<String> {
        unfold(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for NodeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NodeRange {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        unfold(text).map(|_| Self(text.to_owned()))
    }
}

fn unfold(text: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`{text}` is not a node range: names like login or compute[001-064] are expected");
    let Some((stem, rest)) = text.split_once('[') else {
        return if is_label(text) { Ok(vec![text.to_owned()]) } else { Err(wrong()) };
    };
    let (inside, tail) = rest.split_once(']').ok_or_else(wrong)?;
    if !stem.starts_with(|c: char| c.is_ascii_alphabetic()) || tail.contains(['[', ']']) {
        return Err(wrong());
    }
    let mut names = Vec::new();
    for part in inside.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let first: u64 = from.parse().map_err(|_| wrong())?;
        let last: u64 = to.parse().map_err(|_| wrong())?;
        if last < first {
            return Err(format!("`{text}` runs backwards"));
        }
        if (last - first).saturating_add(names.len() as u64) >= NODES_PER_RANGE_MAX {
            return Err(format!("`{text}` holds more than {NODES_PER_RANGE_MAX} nodes"));
        }
        names.extend((first..=last).map(|n| format!("{stem}{n:0width$}{tail}", width = from.len())));
    }
    if names.iter().all(|n| is_label(n)) { Ok(names) } else { Err(wrong()) }
}

/// A DNS label (RFC 1123): letters, digits and inner hyphens, 63 at most.
pub fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
