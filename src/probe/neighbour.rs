//! The frames that ask an IPv6 network who holds an address, and what of it is an answer: neighbour discovery
//! (RFC 4861 sections 4.3 and 4.4). Pure.

use std::net::Ipv6Addr;

use pnet_datalink::MacAddr;

const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Whoever is not on this wire cannot send it.
const HOP_LIMIT: u8 = 255;
/// The answer to a question, no announcement.
const SOLICITED: u8 = 0x40;
/// "My own MAC is", in units of 8 bytes.
const SOURCE_MAC: [u8; 2] = [1, 1];
/// Type, code, checksum, flags, address and option.
const MESSAGE_BYTES: u16 = 32;
const MESSAGE_AT: usize = 14 + 40;
const ADDRESS_AT: usize = MESSAGE_AT + 8;

/// "Who has `address`? Tell `own`."
pub(super) fn question(mac: MacAddr, own: Ipv6Addr, address: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = address.octets();
    let asked = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    let message = |checksum: u16| -> Vec<u8> {
        let head = [SOLICITATION, 0];
        let parts: [&[u8]; 6] =
            [&head, &checksum.to_be_bytes(), &[0; 4], &address.octets(), &SOURCE_MAC, &mac.octets()];
        parts.concat()
    };
    let pseudo: [&[u8]; 5] = [
        &own.octets(),
        &asked.octets(),
        &u32::from(MESSAGE_BYTES).to_be_bytes(),
        &[0, 0, 0, ICMPV6],
        &message(0),
    ];
    let parts: [&[u8]; 9] = [
        &[0x33, 0x33, 0xff, a, b, c],
        &mac.octets(),
        &ETHERTYPE_IPV6,
        &[0x60, 0, 0, 0],
        &MESSAGE_BYTES.to_be_bytes(),
        &[ICMPV6, HOP_LIMIT],
        &own.octets(),
        &asked.octets(),
        &message(checksum(&pseudo.concat())),
    ];
    parts.concat()
}

/// The one's complement of the one's complement sum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        let [high, low] = [pair.first(), pair.get(1)].map(|byte| byte.copied().unwrap_or(0));
        u32::from(u16::from_be_bytes([high, low]))
    });
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

/// Who says in `frame`, to `own`, that it has `address`.
pub(super) fn holder(frame: &[u8], own: MacAddr, address: Ipv6Addr) -> Option<MacAddr> {
    let is = |from: usize, bytes: &[u8]| frame.get(from..from + bytes.len()) == Some(bytes);
    let answer = is(0, &own.octets())
        && is(12, &ETHERTYPE_IPV6)
        && is(20, &[ICMPV6, HOP_LIMIT])
        && is(MESSAGE_AT, &[ADVERTISEMENT, 0])
        && frame.get(MESSAGE_AT + 4).is_some_and(|flags| flags & SOLICITED != 0)
        && is(ADDRESS_AT, &address.octets());
    let mac: [u8; 6] = frame.get(6..12)?.try_into().ok()?;
    answer.then(|| mac.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
    const HEAD: MacAddr = MacAddr(0x52, 0x54, 0, 0x70, 0, 0x11);

    fn address(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    /// The answer of `HEAD`, as Linux gives it.
    fn answer(flags: u8) -> Vec<u8> {
        let mut frame = question(HEAD, address("2001:db8:71::10"), address("2001:db8:71::10"));
        frame[..6].copy_from_slice(&OWN.octets());
        frame[MESSAGE_AT] = ADVERTISEMENT;
        frame[MESSAGE_AT + 4] = flags;
        frame
    }

    #[test]
    fn a_question_goes_to_the_group_of_the_address_and_its_sum_is_right() {
        let frame = question(OWN, address("2001:db8:71::fe"), address("2001:db8:71::12:3456"));
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
        assert_eq!(frame[38..54], address("ff02::1:ff12:3456").octets());
        let pseudo = [&frame[22..54], &[0, 0, 0, 32, 0, 0, 0, ICMPV6], &frame[MESSAGE_AT..]].concat();
        assert_eq!(checksum(&pseudo), 0);
    }

    #[test]
    fn an_answer_names_its_holder_and_an_announcement_does_not() {
        let group = address("2001:db8:71::10");
        assert_eq!(holder(&answer(0x60), OWN, group), Some(HEAD));
        assert_eq!(holder(&answer(0x20), OWN, group), None);
        assert_eq!(holder(&answer(0x60), HEAD, group), None);
        assert_eq!(holder(&answer(0x60), OWN, address("2001:db8:71::11")), None);
        assert_eq!(holder(&answer(0x60)[..60], OWN, group), None);
    }
}
