//! Cables that are pulled and put back. What is out is written down, so that it stays out while the host is off and on
//! again. It must not decide which cable a fault means.

use super::error::LabError;
use super::layout::Port;
use super::state::Lab;
use super::{power, switch};

/// Which cables of a host are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cables<'a> {
    /// Those on one network.
    Network(&'a str),
    /// The one of one NIC.
    Nic(&'a str),
    /// All.
    All,
}

impl Cables<'_> {
    fn holds(&self, port: &Port) -> bool {
        match self {
            Self::Network(network) => port.network == *network,
            Self::Nic(nic) => port.nic == *nic,
            Self::All => true,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Network(network) => format!("NIC on network `{network}`"),
            Self::Nic(nic) => format!("NIC `{nic}`"),
            Self::All => "NIC".to_owned(),
        }
    }
}

/// Pulls cables out, or puts them back.
///
/// # Errors
/// No such host or NIC.
pub(crate) fn set(lab: &Lab, host: &str, cables: &Cables, plugged: bool) -> Result<(), LabError> {
    let _lock = power::switch_lock(lab, host)?; // a host that is just starting has its cables read already, or not yet
    let all = &lab.host(host)?.ports;
    let ports: Vec<_> = all.iter().filter(|port| cables.holds(port)).collect();
    if ports.is_empty() {
        let has: Vec<_> = all.iter().map(|port| format!("{} on {}", port.nic, port.network)).collect();
        let (host, wanted, has) = (host.to_owned(), cables.shown(), has.join(", "));
        return Err(LabError::NicMissing { host, wanted, has });
    }
    let mut pulled = lab.pulled(host);
    for port in &ports {
        let _ = if plugged { pulled.remove(&port.nic) } else { pulled.insert(port.nic.clone()) };
    }
    lab.record_pulled(host, &pulled)?;
    if lab.process(host).is_none() {
        return Ok(()); // its ports are made when it is switched on
    }
    ports.into_iter().try_for_each(|port| switch::set_port(lab, port, plugged))
}
