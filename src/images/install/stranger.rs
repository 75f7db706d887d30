//! In a machine that nobody knows: it says what it is, listens which switch it is plugged into, and waits until its card is known.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::fetch::Head;
use super::{InstallError, medium, system};
use crate::images::asking::{OwnCard, Port, Stranger, plain};
use crate::spec::Mac;

/// A switch says who it is each 30 s (802.1AB, 9.2.5.7); one word may be lost.
const LISTEN: Duration = Duration::from_secs(65);

/// How soon a machine that has been given a name goes on.
const LOOK: Duration = Duration::from_secs(5);

/// Says what this machine is, and waits until the head knows its card; then, or when nobody is asked any more, it may start again.
///
/// # Errors
/// The head is not there, or this machine cannot be looked at.
pub fn introduce(url: &str, told: &(dyn Fn(&str) + Sync)) -> Result<(), InstallError> {
    let head = Head::at(url, told);
    let line = fs::read_to_string("/proc/cmdline").map_err(system("/proc/cmdline"))?;
    let mac = booted_by(&line).ok_or_else(|| InstallError::System {
        subject: "BOOTIF".to_owned(),
        why: "the kernel's command line does not say which card it has booted with".to_owned(),
    })?;
    let mut own = Stranger { cards: cards(), ..machine(mac) };
    own.cards.iter().for_each(|card| raise(&card.name));
    head.introduce(&own)?;
    told(&format!("this machine is {mac}, {} {}; listening for its switch", own.product, own.serial));
    listen(&mut own, told, &mut |own| head.introduce(own))?;
    told("waiting for a name: haoscar macs --assign RANGE, then haoscar apply");
    while !head.knows(mac)? {
        std::thread::sleep(LOOK);
    }
    told("it has a name; it starts again");
    Ok(())
}

/// `BOOTIF=01-52-54-00-99-99-99`, as PXELINUX has it.
fn booted_by(line: &str) -> Option<Mac> {
    let word = line.split_whitespace().find_map(|word| word.strip_prefix("BOOTIF=01-"))?;
    word.replace('-', ":").parse().ok()
}

/// What its firmware and its kernel say.
fn machine(mac: Mac) -> Stranger {
    let of = |name: &str| fs::read_to_string(format!("/sys/class/dmi/id/{name}")).unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    Stranger {
        mac,
        product: plain(&format!("{} {}", plain(&of("sys_vendor")), plain(&of("product_name")))),
        serial: plain(&of("product_serial")),
        memory_bytes: super::node::memory_bytes(&memory).unwrap_or_default(),
        processors: std::thread::available_parallelism().map_or(0, usize::from),
        disks: medium::found().iter().map(|disk| format!("{} ({})", disk.path, disk.about())).collect(),
        cards: Vec::new(),
    }
}

const CARDS: &str = "/sys/class/net";

/// Cards with a device behind them.
fn cards() -> Vec<OwnCard> {
    let entries = Utf8Path::new(CARDS).read_dir_utf8().into_iter().flatten().flatten();
    let own = entries.filter(|entry| entry.path().join("device").exists());
    let mut cards: Vec<_> = own.filter_map(|entry| card(entry.file_name())).collect();
    cards.sort_by(|a, b| a.name.cmp(&b.name));
    cards
}

fn card(name: &str) -> Option<OwnCard> {
    let mac = fs::read_to_string(format!("{CARDS}/{name}/address")).ok()?.trim().parse().ok()?;
    Some(OwnCard { name: name.to_owned(), mac, linked: false, port: None })
}

/// `IFF_UP` and `IFF_ALLMULTI` of netdevice(7): a switch speaks to an address that no card listens to by itself.
const HEARING: u32 = 0x1 | 0x200;

fn raise(card: &str) {
    let path = format!("{CARDS}/{card}/flags");
    let flags = fs::read_to_string(&path).unwrap_or_default();
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).unwrap_or_default();
    let _ = fs::write(&path, format!("{:#x}", flags | HEARING)); // a card that is broken hears nothing
}

/// Until each card that has a cable has heard its switch, or it is late; `say` is called at all that is new.
fn listen(
    own: &mut Stranger,
    told: &dyn Fn(&str),
    say: &mut dyn FnMut(&Stranger) -> Result<(), InstallError>,
) -> Result<(), InstallError> {
    let failed = |error: nix::Error| system("LLDP")(error.into());
    let ear = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
        .map_err(failed)?;
    setsockopt(&ear, sockopt::ReceiveTimeout, &TimeVal::seconds(1)).map_err(failed)?;
    let indices: BTreeMap<usize, String> =
        own.cards.iter().filter_map(|card| Some((index(&card.name)?, card.name.clone()))).collect();
    let (begin, mut frame) = (Instant::now(), [0_u8; 2048]);
    loop {
        let mut news = false;
        for card in &mut own.cards {
            let linked = fs::read_to_string(format!("{CARDS}/{}/carrier", card.name))
                .is_ok_and(|text| text.trim() == "1");
            news |= linked != std::mem::replace(&mut card.linked, linked);
        }
        match recvfrom::<LinkAddr>(ear.as_raw_fd(), &mut frame) {
            Ok((bytes, Some(from))) => {
                let name = indices.get(&from.ifindex());
                let card = own.cards.iter_mut().find(|card| Some(&card.name) == name && card.port.is_none());
                if let Some((card, port)) = card.zip(neighbour(&frame[..bytes.min(frame.len())])) {
                    told(&format!("{} is plugged into {}, port {}", card.name, port.switch, port.name));
                    card.port = Some(port);
                    news = true;
                }
            }
            Ok((_, None)) | Err(nix::Error::EAGAIN | nix::Error::EINTR) => {}
            Err(error) => return Err(failed(error)),
        }
        if news {
            say(own)?;
        }
        let heard = own.cards.iter().any(|card| card.linked)
            && own.cards.iter().all(|card| !card.linked || card.port.is_some());
        if heard || begin.elapsed() > LISTEN {
            return Ok(());
        }
    }
}

fn index(card: &str) -> Option<usize> {
    fs::read_to_string(format!("{CARDS}/{card}/ifindex")).ok()?.trim().parse().ok()
}

/// Types of what an LLDP frame says (802.1AB, 8.4).
const END: u8 = 0;
const CHASSIS: u8 = 1;
const PORT: u8 = 2;
const PORT_DESCRIPTION: u8 = 4;
const SYSTEM_NAME: u8 = 5;

/// Subtypes of a chassis and of a port that are an address of a card.
const CHASSIS_MAC: u8 = 4;
const PORT_MAC: u8 = 3;

/// Who speaks in an Ethernet frame, where it is one of LLDP.
fn neighbour(frame: &[u8]) -> Option<Port> {
    let mut rest = frame.get(12..)?.strip_prefix(&[0x88, 0xcc])?;
    let mut said = BTreeMap::new();
    while let [first, second, after @ ..] = rest {
        let (kind, length) = (first >> 1, usize::from(first & 1) << 8 | usize::from(*second));
        let value = after.get(..length)?;
        if kind == END {
            break;
        }
        said.entry(kind).or_insert(value);
        rest = &after[length..];
    }
    let text = |kind: u8| {
        said.get(&kind).map(|value| plain(&String::from_utf8_lossy(value))).filter(|text| !text.is_empty())
    };
    let id = |kind: u8, of_card: u8| match said.get(&kind)? {
        [subtype, mac @ ..] if *subtype == of_card && mac.len() == 6 => {
            Some(mac.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
        }
        [_, value @ ..] => Some(plain(&String::from_utf8_lossy(value))).filter(|text| !text.is_empty()),
        [] => None,
    };
    let (chassis, port) = (id(CHASSIS, CHASSIS_MAC)?, id(PORT, PORT_MAC)?);
    // a port that is known by an address is called by its description
    let by_address = said.get(&PORT).is_some_and(|value| value.first() == Some(&PORT_MAC));
    let name = text(PORT_DESCRIPTION).filter(|_| by_address).unwrap_or(port);
    Some(Port { switch: text(SYSTEM_NAME).unwrap_or(chassis), name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tlvs: &[(u8, &[u8])]) -> Vec<u8> {
        let mut frame = b"\x01\x80\xc2\x00\x00\x0e\x02\x00\x00\x00\x00\x01\x88\xcc".to_vec();
        for (kind, value) in tlvs {
            let length = u16::try_from(value.len()).unwrap();
            frame.extend((u16::from(*kind) << 9 | length).to_be_bytes());
            frame.extend(*value);
        }
        frame
    }

    #[test]
    fn a_switch_says_its_name_and_its_port() {
        let said = |tlvs: &[(u8, &[u8])]| {
            neighbour(&frame(tlvs)).map(|port| format!("{} {}", port.switch, port.name))
        };
        let chassis: (u8, &[u8]) = (CHASSIS, b"\x04\x00\x1b\x21\xaa\xbb\xcc");
        let named = [
            chassis,
            (PORT, b"\x05Gi1/0/12"),
            (3, b"\x00\x78"),
            (PORT_DESCRIPTION, b"rack 4"),
            (SYSTEM_NAME, b"sw1"),
            (END, b""),
        ];
        assert_eq!(said(&named).as_deref(), Some("sw1 Gi1/0/12"));
        let nameless = [chassis, (PORT, b"\x03\x00\x1b\x21\xaa\xbb\xdd"), (PORT_DESCRIPTION, b"port 7")];
        assert_eq!(said(&nameless).as_deref(), Some("00:1b:21:aa:bb:cc port 7"));
        assert_eq!(said(&[chassis]), None, "no port");
        let mut cut = frame(&named);
        cut.truncate(30);
        assert_eq!(neighbour(&cut), None);
        assert_eq!(
            neighbour(b"\x01\x80\xc2\x00\x00\x0e\x02\x00\x00\x00\x00\x01\x08\x00rest"),
            None,
            "another protocol"
        );
    }

    #[test]
    fn a_machine_knows_by_its_kernels_command_line_which_card_it_booted_with() {
        let mac = booted_by("boot=haoscar-ask BOOTIF=01-52-54-00-99-99-99 ip=dhcp").unwrap();
        assert_eq!(mac.to_string(), "52:54:00:99:99:99");
        assert_eq!(booted_by("root=/dev/sda"), None);
    }
}
