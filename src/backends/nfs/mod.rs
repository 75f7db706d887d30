//! Files by NFS.

mod ganesha;
mod kernel;

use std::net::IpAddr;

pub use ganesha::Ganesha;
pub use kernel::Kernel;

use crate::backends::{Backend, Context, question};
use crate::spec::{Access, Export, NfsBackend, NfsService, Problem, Span};

/// The backend that the spec names.
pub fn backend(name: NfsBackend) -> Box<dyn Backend<Service = NfsService>> {
    match name {
        NfsBackend::Ganesha => Box::new(Ganesha),
        NfsBackend::Kernel => Box::new(Kernel),
    }
}

/// Short enough for a failover, long enough for a client that is asked for its locks (knowledge/managed.md 3).
const GRACE: Span = Span::from_millis(10_000);

/// Seconds that clients have to reclaim their locks after a move.
fn grace_seconds(service: &NfsService) -> u64 {
    service.grace.unwrap_or(GRACE).as_millis().div_ceil(1000)
}

/// Whether the daemon answers: a NULL call of NFSv4 over TCP (RFC 5531: record mark, xid, CALL, RPC 2, program 100003, version 4,
/// procedure 0, no credential, no verifier), which every server answers, also in its grace. Any answer is one; it is read to
/// its end, for ganesha 6 writes a line about each connection that is closed on it before.
fn null_call(address: IpAddr) -> String {
    let call = [0x8000_0028_u32, 1, 0, 2, 100_003, 4, 0, 0, 0, 0, 0];
    let bytes: String =
        call.iter().flat_map(|word| word.to_be_bytes()).map(|b| format!("\\{b:03o}")).collect();
    question(&format!("tcp/{address}/2049"), &format!("printf \"{bytes}\" >&3"), 28)
}

/// The networks whose machines may mount it, as CIDR.
fn clients(export: &Export, context: &Context<'_>) -> Result<Vec<String>, Problem> {
    let network = context.cluster.networks.get(&export.to).ok_or_else(|| {
        let (path, to) = (&export.path, &export.to);
        Problem::error(
            "reference/network",
            format!("export {path} goes to network {to}, which is not declared"),
        )
    })?;
    let clients = [Some(network.cidr), network.cidr6].into_iter().flatten();
    Ok(clients.map(|cidr| cidr.to_string()).collect())
}

fn access(export: &Export) -> &'static str {
    match export.access {
        Access::Ro => "RO",
        Access::Rw => "RW",
    }
}
