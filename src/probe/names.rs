//! A DNS question for one host's address.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

use super::Answer;
use super::udp::Question;

pub(super) struct Lookup {
    /// Fully qualified.
    pub(super) name: Name,
    /// A or AAAA.
    pub(super) kind: RecordType,
    /// Every answer that is right.
    pub(super) addresses: BTreeSet<IpAddr>,
}

impl Question for Lookup {
    fn ask(&self, id: u16) -> Vec<u8> {
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(self.name.clone(), self.kind));
        message.to_vec().unwrap_or_default()
    }

    fn read(&self, datagram: &[u8]) -> Option<(u16, Answer)> {
        let message = Message::from_vec(datagram).ok()?;
        Some((message.metadata.id, self.judge(&message)))
    }
}

impl Lookup {
    fn judge(&self, message: &Message) -> Answer {
        let code = message.metadata.response_code;
        if code != ResponseCode::NoError {
            return Answer::Wrong(code.to_string());
        }
        let told: BTreeSet<IpAddr> = message.answers.iter().filter_map(|r| r.data.ip_addr()).collect();
        if told.is_empty() {
            return Answer::Wrong("no address".to_owned());
        }
        match told.difference(&self.addresses).next() {
            Some(other) => Answer::Wrong(format!("address {other}")),
            None => Answer::Good,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::{RData, Record, rdata::A};

    fn lookup() -> Lookup {
        let name = Name::from_ascii("control.oscar.example.").unwrap();
        let addresses = BTreeSet::from(["10.20.0.10".parse().unwrap()]);
        Lookup { name, kind: RecordType::A, addresses }
    }

    fn reply(address: Option<[u8; 4]>) -> Vec<u8> {
        let mut message = Message::response(9, OpCode::Query);
        if let Some([a, b, c, d]) = address {
            message.add_answer(Record::from_rdata(lookup().name, 1, RData::A(A::new(a, b, c, d))));
        }
        message.to_vec().unwrap()
    }

    #[test]
    fn only_the_groups_own_address_is_a_right_answer() {
        assert_eq!(lookup().read(&reply(Some([10, 20, 0, 10]))), Some((9, Answer::Good)));
        let head = Answer::Wrong("address 10.20.0.1".into());
        assert_eq!(lookup().read(&reply(Some([10, 20, 0, 1]))), Some((9, head)));
        assert_eq!(lookup().read(&reply(None)), Some((9, Answer::Wrong("no address".into()))));
    }

    #[test]
    fn a_name_that_does_not_exist_is_wrong() {
        let message = Message::error_msg(3, OpCode::Query, ResponseCode::NXDomain).to_vec().unwrap();
        assert!(matches!(lookup().read(&message), Some((3, Answer::Wrong(_)))));
    }
}
