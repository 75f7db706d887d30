//! DHCPINFORM: asks for configuration without a lease (RFC 2131 section 3.4), so that it leaves nothing behind.

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, Message, MessageType, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable};

use super::Answer;
use super::udp::Question;

/// A locally administered MAC: INFORM is answered by address, and this one is nobody's.
const MAC: [u8; 6] = [0x02, 0x68, 0x61, 0x6f, 0x73, 0x63];

pub(super) struct Inform {
    /// This machine's own address, where the answer goes.
    pub(super) client: Ipv4Addr,
    /// What the server must call itself.
    pub(super) server: Ipv4Addr,
}

impl Question for Inform {
    fn ask(&self, id: u16) -> Vec<u8> {
        let none = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(u32::from(id), self.client, none, none, none, &MAC);
        message.opts_mut().insert(DhcpOption::MessageType(MessageType::Inform));
        let wanted = vec![OptionCode::SubnetMask, OptionCode::DomainNameServer];
        message.opts_mut().insert(DhcpOption::ParameterRequestList(wanted));
        message.to_vec().unwrap_or_default()
    }

    fn read(&self, datagram: &[u8]) -> Option<(u16, Answer)> {
        let message = Message::decode(&mut Decoder::new(datagram)).ok()?;
        let id = u16::try_from(message.xid()).ok()?;
        Some((id, self.judge(&message)))
    }
}

impl Inform {
    fn judge(&self, message: &Message) -> Answer {
        if message.opts().msg_type() != Some(MessageType::Ack) {
            return Answer::Wrong("no DHCPACK".to_owned());
        }
        match message.opts().get(OptionCode::ServerIdentifier) {
            Some(DhcpOption::ServerIdentifier(id)) if *id == self.server => Answer::Good,
            Some(DhcpOption::ServerIdentifier(id)) => Answer::Wrong(format!("server identifier {id}")),
            _ => Answer::Wrong("no server identifier".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(server: [u8; 4]) -> Vec<u8> {
        let none = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(7, none, none, none, none, &MAC);
        message.opts_mut().insert(DhcpOption::MessageType(MessageType::Ack));
        message.opts_mut().insert(DhcpOption::ServerIdentifier(server.into()));
        message.to_vec().unwrap()
    }

    #[test]
    fn a_server_that_calls_itself_by_a_heads_own_address_is_wrong() {
        let inform = Inform { client: [10, 20, 2, 1].into(), server: [10, 20, 0, 10].into() };
        assert_eq!(inform.read(&answer([10, 20, 0, 10])), Some((7, Answer::Good)));
        let wrong = Answer::Wrong("server identifier 10.20.0.1".into());
        assert_eq!(inform.read(&answer([10, 20, 0, 1])), Some((7, wrong)));
        assert_eq!(inform.read(b"noise"), None);
    }
}
