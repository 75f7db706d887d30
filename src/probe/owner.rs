//! Who holds an address, asked of the wire: an ARP question (IPv6: a neighbour solicitation) on each tick, which every
//! holder answers. It must not judge whether there may be two.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use pnet_datalink::{Channel, Config, DataLinkReceiver, DataLinkSender, MacAddr, NetworkInterface};

use super::clock::monotonic_us;
use super::run::Outlet;
use super::{Line, ProbeTarget, neighbour};

/// Ethernet and ARP for IPv4 (RFC 826), without the frame's filling.
const FRAME_BYTES: usize = 42;
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
/// Hardware Ethernet, protocol IPv4, addresses of 6 and 4 bytes.
const ARP_OF_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
const QUESTION: [u8; 2] = [0, 1];
const ANSWER: [u8; 2] = [0, 2];
/// A silent wire is left for the next question, and for the end, at least so often.
const READ_MAX: Duration = Duration::from_millis(2);

/// Asks until the outlet closes; a line at the first holder and whenever another one answers.
pub(super) fn probe(target: &ProbeTarget, address: IpAddr, outlet: &Outlet<'_>) {
    if let Err(reason) = watch(target, address, outlet) {
        outlet.broken(&target.service, &reason);
    }
}

fn watch(target: &ProbeTarget, address: IpAddr, outlet: &Outlet<'_>) -> Result<(), String> {
    let nic =
        pnet_datalink::interfaces().into_iter().find_map(|nic| own(&nic, address).map(|own| (nic, own)));
    let (nic, own) = nic.ok_or_else(|| format!("no interface here is on the network of {address}"))?;
    let mac = nic.mac.ok_or_else(|| format!("{} has no MAC", nic.name))?;
    let (mut send, mut read) = channel(&nic)?;
    let question = match (own, address) {
        (IpAddr::V4(own), IpAddr::V4(address)) => question(mac, own, address),
        (IpAddr::V6(own), IpAddr::V6(address)) => neighbour::question(mac, own, address),
        _ => return Err(format!("{own} and {address} are of two families")),
    };
    let holder = |frame: &[u8]| match address {
        IpAddr::V4(address) => holder(frame, mac, address),
        IpAddr::V6(address) => neighbour::holder(frame, mac, address),
    };
    let mut last = None;
    while outlet.is_open() {
        let next = Instant::now() + Duration::from_millis(target.tick_ms);
        let _ = send.send_to(&question, None); // a full queue is asked again at the next tick
        while Instant::now() < next {
            let holder = read.next().ok().and_then(holder);
            if holder.is_some() && holder != last {
                last = holder;
                let mac = last.map(|mac| mac.to_string()).unwrap_or_default();
                outlet.line(Line::Owner { at_us: monotonic_us(), address, mac });
            }
        }
    }
    Ok(())
}

/// The own address of `nic` if it is on the network of `address`.
fn own(nic: &NetworkInterface, address: IpAddr) -> Option<IpAddr> {
    nic.ips.iter().find(|network| network.contains(address)).map(|network| network.ip())
}

type Ends = (Box<dyn DataLinkSender>, Box<dyn DataLinkReceiver>);

fn channel(nic: &NetworkInterface) -> Result<Ends, String> {
    let config = Config { read_timeout: Some(READ_MAX), ..Config::default() };
    match pnet_datalink::channel(nic, config) {
        Ok(Channel::Ethernet(send, read)) => Ok((send, read)),
        Ok(_) => Err(format!("{} is no Ethernet", nic.name)),
        Err(error) => Err(format!("{}: {error}", nic.name)),
    }
}

/// "Who has `address`? Tell `own`."
fn question(mac: MacAddr, own: Ipv4Addr, address: Ipv4Addr) -> Vec<u8> {
    let parts: [&[u8]; 9] = [
        &MacAddr::broadcast().octets(),
        &mac.octets(),
        &ETHERTYPE_ARP,
        &ARP_OF_IPV4,
        &QUESTION,
        &mac.octets(),
        &own.octets(),
        &MacAddr::zero().octets(),
        &address.octets(),
    ];
    parts.concat()
}

/// Who says in `frame`, to `own`, that it has `address`. What is announced to everybody is no answer: it may be on its way
/// while the one before still holds the address.
fn holder(frame: &[u8], own: MacAddr, address: Ipv4Addr) -> Option<MacAddr> {
    let frame = frame.get(..FRAME_BYTES)?;
    let is = |from: usize, bytes: &[u8]| frame.get(from..from + bytes.len()) == Some(bytes);
    let answer = is(0, &own.octets())
        && is(12, &ETHERTYPE_ARP)
        && is(14, &ARP_OF_IPV4)
        && is(20, &ANSWER)
        && is(28, &address.octets());
    let mac: [u8; 6] = frame.get(22..28)?.try_into().ok()?;
    answer.then(|| mac.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
    const HEAD: MacAddr = MacAddr(0x52, 0x54, 0, 0x20, 0, 0x11);
    const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 20, 255, 254);
    const GROUP: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 10);

    /// The answer of `HEAD`, as Linux gives it.
    fn answer(to: MacAddr) -> Vec<u8> {
        let mut frame = question(HEAD, GROUP, CLIENT);
        frame[..6].copy_from_slice(&to.octets());
        frame[20..22].copy_from_slice(&ANSWER);
        frame.resize(60, 0);
        frame
    }

    #[test]
    fn an_answer_names_its_holder_and_a_question_or_an_announcement_does_not() {
        assert_eq!(question(OWN, CLIENT, GROUP).len(), FRAME_BYTES);
        assert_eq!(holder(&answer(OWN), OWN, GROUP), Some(HEAD));
        assert_eq!(holder(&answer(MacAddr::broadcast()), OWN, GROUP), None);
        assert_eq!(holder(&question(OWN, CLIENT, GROUP), OWN, GROUP), None);
        assert_eq!(holder(&answer(OWN), OWN, CLIENT), None);
        assert_eq!(holder(&answer(OWN)[..30], OWN, GROUP), None);
    }
}
