//! Files by NFS.

mod ganesha;

pub use ganesha::Ganesha;

use crate::backends::Backend;
use crate::spec::{NfsBackend, NfsService};

/// The backend that the spec names.
pub fn backend(name: NfsBackend) -> impl Backend<Service = NfsService> {
    match name {
        NfsBackend::Ganesha => Ganesha,
    }
}
