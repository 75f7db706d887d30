//! Host names: DNS for the cluster's domain.

mod dnsmasq;

pub use dnsmasq::{Dnsmasq, UNIT};
