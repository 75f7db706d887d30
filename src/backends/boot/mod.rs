//! Network boot: TFTP here, the boot options in the dhcp backends.

mod dnsmasq;

pub use dnsmasq::Dnsmasq;
