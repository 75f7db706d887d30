//! Whether an address answers at all: a TCP connection to a port that nothing serves is refused at once by
//! whoever holds the address. (ICMP would not do: Linux limits port-unreachable to one a second a peer.)

use super::Answer;
use super::tcp::Dialogue;

/// The discard port (RFC 863), which no service here uses.
pub(super) const PORT: u16 = 9;

pub(super) struct Knock;

impl Dialogue for Knock {
    fn stands(&self) -> bool {
        false
    }

    fn ask(&self, _: u32) -> Vec<u8> {
        Vec::new()
    }

    fn read(&self, _: &mut Vec<u8>) -> Option<(Option<u32>, Answer)> {
        None
    }

    fn refused(&self) -> Answer {
        Answer::Good
    }

    fn opening_answers(&self) -> bool {
        true
    }
}
