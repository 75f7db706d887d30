//! ONC RPC (RFC 5531) over TCP with NFSv4 COMPOUNDs (RFC 7530, 8881) in it, and the probe that keeps no state:
//! PUTROOTFH, LOOKUPs down to an export and GETATTR, which a server answers during grace too.

use super::Answer;
use super::tcp::Dialogue;
use super::xdr::{Decoder, Encoder};

/// The NFS port.
pub(super) const PORT: u16 = 2049;

const CALL: u32 = 0;
const REPLY: u32 = 1;
const RPC_VERSION: u32 = 2;
const NFS_PROGRAM: u32 = 100_003;
const NFS_VERSION: u32 = 4;
const COMPOUND: u32 = 1;
const AUTH_NONE: u32 = 0;
const AUTH_SYS: u32 = 1;
const LAST_FRAGMENT: u32 = 1 << 31;
/// A reply of ours is some hundred bytes; more than this is no reply to us.
const REPLY_BYTES_MAX: usize = 1 << 20;

const OP_GETATTR: u32 = 9;
const OP_LOOKUP: u32 = 15;
const OP_PUTROOTFH: u32 = 24;
const ATTRIBUTE_TYPE: u32 = 1 << 1;

/// NFS status: all operations done.
pub(super) const NFS4_OK: u32 = 0;
/// NFS status: state is being reclaimed after a restart.
pub(super) const NFS4ERR_GRACE: u32 = 10_013;
/// NFS status: ask again.
pub(super) const NFS4ERR_DELAY: u32 = 10_008;
const NFS4ERR_PERM: u32 = 1;
const NFS4ERR_NOENT: u32 = 2;
const NFS4ERR_MINOR_VERS_MISMATCH: u32 = 10_021;

/// A COMPOUND call of `count` operations, framed for TCP.
pub(super) fn compound(xid: u32, minor: u32, count: u32, operations: &[u8]) -> Vec<u8> {
    let mut credential = Encoder::default();
    // stamp, machine, uid, gid, no further groups
    credential.u32(0).opaque(b"haoscar").all(&[0, 0, 0]);
    let mut call = Encoder::default();
    call.all(&[xid, CALL, RPC_VERSION, NFS_PROGRAM, NFS_VERSION, COMPOUND]);
    call.u32(AUTH_SYS).opaque(&credential.0).u32(AUTH_NONE).opaque(b"");
    call.opaque(b"").u32(minor).u32(count).fixed(operations);
    let length = u32::try_from(call.0.len()).unwrap_or(0);
    let mut framed = Encoder::default();
    framed.u32(LAST_FRAGMENT | length).fixed(&call.0);
    framed.0
}

/// PUTROOTFH, and LOOKUPs down to a path: how many operations.
pub(super) fn from_root(path: &str, operations: &mut Encoder) -> u32 {
    operations.u32(OP_PUTROOTFH);
    let folders = path.split('/').filter(|part| !part.is_empty());
    folders.fold(1, |count, folder| {
        operations.u32(OP_LOOKUP).opaque(folder.as_bytes());
        count + 1
    })
}

/// Takes one whole RPC message off the front of `bytes`.
pub(super) fn take_message(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mark = u32::from_be_bytes(*bytes.first_chunk::<4>()?);
    let length = usize::try_from(mark & !LAST_FRAGMENT).ok()?.min(REPLY_BYTES_MAX);
    if bytes.len() < 4 + length {
        return None;
    }
    Some(bytes.drain(..4 + length).skip(4).collect())
}

/// The id, the COMPOUND's status and what follows it; none for what is no accepted reply.
pub(super) fn reply(message: &[u8]) -> Option<(u32, u32, &[u8])> {
    let mut decoder = Decoder(message);
    let xid = decoder.u32()?;
    let (kind, denied) = (decoder.u32()?, decoder.u32()?);
    let _verifier = (decoder.u32()?, decoder.opaque()?);
    let unsuccessful = decoder.u32()?;
    if kind != REPLY || denied != 0 || unsuccessful != 0 {
        return None;
    }
    let status = decoder.u32()?;
    let _tag = decoder.opaque()?;
    Some((xid, status, decoder.0))
}

/// PUTROOTFH, LOOKUPs and GETATTR on a standing connection.
pub(super) struct Attributes<'a> {
    /// An export, from the server's pseudo root; the root itself if empty.
    pub(super) export: &'a str,
}

impl Dialogue for Attributes<'_> {
    fn stands(&self) -> bool {
        true
    }

    fn ask(&self, id: u32) -> Vec<u8> {
        let mut operations = Encoder::default();
        let count = from_root(self.export, &mut operations);
        operations.all(&[OP_GETATTR, 1, ATTRIBUTE_TYPE]);
        compound(id, 0, count + 1, &operations.0)
    }

    fn read(&self, bytes: &mut Vec<u8>) -> Option<(Option<u32>, Answer)> {
        let message = take_message(bytes)?;
        let Some((xid, status, _)) = reply(&message) else {
            return Some((None, Answer::Wrong("rpc denied".to_owned())));
        };
        let answer = match status {
            // a server of 4.1 and later only says so, which shows as well that it answers; the kernel's lets nobody into an
            // export whose port is not below 1024, as a mount's is
            NFS4_OK | NFS4ERR_MINOR_VERS_MISMATCH | NFS4ERR_PERM => Answer::Good,
            NFS4ERR_NOENT => Answer::Wrong(format!("it does not export {}", self.export)),
            _ => Answer::Wrong(format!("nfs status {status}")),
        };
        Some((Some(xid), answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Attributes = Attributes { export: "/srv/home" };

    fn answer(xid: u32, status: u32) -> Vec<u8> {
        let mut body = Encoder::default();
        body.all(&[xid, REPLY, 0, AUTH_NONE]).opaque(b"").u32(0).u32(status).opaque(b"").u32(0);
        let mut framed = Encoder::default();
        framed.u32(LAST_FRAGMENT | u32::try_from(body.0.len()).unwrap()).fixed(&body.0);
        framed.0
    }

    #[test]
    fn replies_that_come_in_one_piece_or_in_bytes_are_the_same() {
        let mut bytes = answer(5, NFS4_OK);
        bytes.extend(answer(6, NFS4ERR_GRACE));
        let mut slowly = Vec::new();
        bytes.extend(answer(7, NFS4ERR_NOENT));
        bytes.extend(answer(8, NFS4ERR_PERM));
        let mut seen = Vec::new();
        for byte in bytes {
            slowly.push(byte);
            seen.extend(HOME.read(&mut slowly));
        }
        let grace = Answer::Wrong("nfs status 10013".into());
        let gone = Answer::Wrong("it does not export /srv/home".into());
        assert_eq!(
            seen,
            [(Some(5), Answer::Good), (Some(6), grace), (Some(7), gone), (Some(8), Answer::Good)]
        );
    }

    #[test]
    fn a_call_carries_its_own_length() {
        let call = HOME.ask(1);
        assert!(call.windows(4).any(|part| part == b"home"));
        let mark = u32::from_be_bytes(*call.first_chunk().unwrap());
        assert_eq!(mark, LAST_FRAGMENT | u32::try_from(call.len() - 4).unwrap());
    }
}
