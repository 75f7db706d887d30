//! What wakes the watcher: ended processes, marks of the OCF agent, netlink. It must not read what a notice says: the
//! world is read again instead.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Waits until one of them is readable, or until the time is over; says which are. A descriptor that is broken
/// counts as readable.
pub(super) fn wait(sources: &[BorrowedFd<'_>], limit_ms: u64) -> Vec<bool> {
    let mut asked: Vec<_> = sources.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    let limit = PollTimeout::try_from(limit_ms).unwrap_or(PollTimeout::MAX);
    match poll(&mut asked, limit) {
        Ok(count) if count > 0 => asked.iter().map(|fd| fd.any().unwrap_or(true)).collect(),
        _ => vec![false; sources.len()],
    }
}

/// A descriptor that is readable once that process has ended; none: it has already.
pub(super) fn of_process(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Files written in a folder, or put there.
#[derive(Debug)]
pub(super) struct Marks(Inotify);

impl Marks {
    pub(super) fn of(folder: &Path) -> std::io::Result<Self> {
        let notices = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        notices.add_watch(folder, AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO)?;
        Ok(Self(notices))
    }

    pub(super) fn drain(&self) {
        while self.0.read_events().is_ok_and(|events| !events.is_empty()) {}
    }
}

impl AsFd for Marks {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Changes of network cards (rtnetlink(7), group `RTMGRP_LINK`).
#[derive(Debug)]
pub(super) struct Cards(OwnedFd);

impl Cards {
    pub(super) fn new() -> std::io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        let group = u32::try_from(nix::libc::RTMGRP_LINK).unwrap_or_default();
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, group))?;
        Ok(Self(fd))
    }

    pub(super) fn drain(&self) {
        let mut bytes = [0; 8192]; // the kernel's largest link message; a cut one is no loss
        // ENOBUFS: notices were lost, and the cards are read anyway
        while let Ok(_) | Err(Errno::ENOBUFS) = recv(self.0.as_raw_fd(), &mut bytes, MsgFlags::empty()) {}
    }
}

impl AsFd for Cards {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
