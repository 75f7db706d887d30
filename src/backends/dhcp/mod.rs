//! Addresses by DHCP.

mod kea;

pub use kea::Kea;

use crate::backends::Backend;
use crate::spec::{DhcpBackend, DhcpService};

/// The backend that the spec names.
pub fn backend(name: DhcpBackend) -> impl Backend<Service = DhcpService> {
    match name {
        DhcpBackend::Kea => Kea,
    }
}
