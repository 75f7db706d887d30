//! NTP: the 48 bytes of a client (RFC 5905 section 7.3), mode 3.

use super::Answer;
use super::udp::Question;

const PACKET_BYTES: usize = 48;
/// No leap warning, version 4, mode 3 (client).
const CLIENT: u8 = 0b00_100_011;
const MODE: u8 = 0b111;
const SERVER_MODE: u8 = 4;
/// Leap indicator 3: the server's own clock is not set.
const UNSYNCHRONIZED: u8 = 3;
const STRATUM_MAX: u8 = 15;

/// Marks our transmit timestamps, which the server sends back as origin; the id follows.
/// What a server answers that serves and has no time of its own yet: its sources are not reached.
pub(super) const NOT_SYNCHRONIZED: &str = "not synchronized";

const COOKIE: [u8; 6] = *b"haosca";

pub(super) struct Clock;

impl Question for Clock {
    fn ask(&self, id: u16) -> Vec<u8> {
        let mut packet = vec![0; PACKET_BYTES - 8];
        if let Some(first) = packet.first_mut() {
            *first = CLIENT;
        }
        packet.extend_from_slice(&COOKIE);
        packet.extend_from_slice(&id.to_be_bytes());
        packet
    }

    fn read(&self, datagram: &[u8]) -> Option<(u16, Answer)> {
        let (first, stratum) = (*datagram.first()?, *datagram.get(1)?);
        let origin = datagram.get(24..32)?;
        let id = origin.strip_prefix(&COOKIE)?.try_into().ok()?;
        let answer = match (first & MODE, first >> 6, stratum) {
            (SERVER_MODE, UNSYNCHRONIZED, _) => Answer::Wrong(NOT_SYNCHRONIZED.to_owned()),
            (SERVER_MODE, _, 1..=STRATUM_MAX) => Answer::Good,
            (SERVER_MODE, _, 0) => Answer::Wrong(format!("kiss of death {:?}", kiss(datagram))),
            (mode, _, stratum) => Answer::Wrong(format!("mode {mode}, stratum {stratum}")),
        };
        Some((u16::from_be_bytes(id), answer))
    }
}

fn kiss(datagram: &[u8]) -> String {
    String::from_utf8_lossy(datagram.get(12..16).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(first: u8, stratum: u8) -> Vec<u8> {
        let mut packet = vec![0; PACKET_BYTES];
        let asked = Clock.ask(513);
        packet[0] = first;
        packet[1] = stratum;
        packet[24..32].copy_from_slice(&asked[40..48]);
        packet
    }

    #[test]
    fn only_a_synchronized_server_is_right() {
        assert_eq!(Clock.read(&reply(0b00_100_100, 10)), Some((513, Answer::Good)));
        assert_eq!(Clock.read(&reply(0b11_100_100, 0)), Some((513, Answer::Wrong(NOT_SYNCHRONIZED.into()))));
        assert!(matches!(Clock.read(&reply(0b00_100_100, 0)), Some((513, Answer::Wrong(_)))));
    }

    #[test]
    fn an_answer_to_somebody_else_is_none_to_us() {
        let mut packet = reply(0b00_100_100, 10);
        packet[24] = 0;
        assert_eq!(Clock.read(&packet), None);
        assert_eq!(Clock.read(b"short"), None);
    }
}
