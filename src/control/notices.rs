//! What wakes the loop: changes of owned files, of systemd's units, signals. A notice is never read for what it says: the
//! world is looked at again instead.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use futures_lite::StreamExt;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::desired::Accepted;
use crate::host::ACCEPTED;

/// Where systemd keeps what starts at boot, of units that are ours to enable.
const WANTS: [&str; 2] =
    ["/etc/systemd/system/multi-user.target.wants", "/etc/systemd/system/sysinit.target.wants"];

/// pacemaker writes its configuration here, and only when it has changed.
const CIB: &str = "/var/lib/pacemaker/cib";

/// Changes of files in folders.
#[derive(Debug)]
pub struct Files {
    notices: Inotify,
    /// Names that matter, whichever folder they are in; a folder of links matters whole.
    names: BTreeSet<String>,
}

impl Files {
    /// Of what this host must have, and of what it is told that it must have.
    ///
    /// # Errors
    /// The kernel has no more instances: fs.inotify.max_user_instances.
    pub fn of(accepted: Option<&Accepted>) -> nix::Result<Self> {
        let notices = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let owned = accepted.iter().flat_map(|accepted| &accepted.files).map(|file| file.path.as_std_path());
        let paths: Vec<_> = owned.chain([Path::new(ACCEPTED)]).collect();
        let folders: BTreeSet<_> = paths.iter().filter_map(|path| path.parent()).collect();
        let changed = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_ONLYDIR;
        for folder in folders.into_iter().chain(WANTS.map(Path::new)).chain([Path::new(CIB)]) {
            let _ = notices.add_watch(folder, changed); // a folder that is not there yet: its parent's change tells
        }
        let name = |path: &&Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let units = accepted.iter().flat_map(|accepted| &accepted.units).map(|unit| unit.name.clone());
        let names = paths.iter().filter_map(name).chain(units).chain(["cib.xml".to_owned()]).collect();
        Ok(Self { notices, names })
    }

    /// Takes the notices; whether one of them matters.
    pub fn drain(&self) -> bool {
        let mut matters = false;
        while let Ok(events) = self.notices.read_events() {
            let named = |name: &std::ffi::OsString| self.names.contains(&*name.to_string_lossy());
            matters |= events.iter().any(|event| event.name.as_ref().is_some_and(named));
            if events.is_empty() {
                break;
            }
        }
        matters
    }
}

impl AsFd for Files {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.notices.as_fd()
    }
}

/// Changes of units, as systemd tells them on D-Bus.
#[derive(Debug)]
pub struct Units {
    woken: Arc<EventFd>,
    wanted: Arc<Mutex<BTreeSet<String>>>,
}

impl Units {
    /// Listens in a thread of its own. Without a bus nothing is heard, which `say` is told: the timer finds it later.
    ///
    /// # Errors
    /// The kernel has no event descriptor.
    pub fn listen(say: impl Fn(&str) + Send + 'static) -> nix::Result<Self> {
        let woken = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let wanted = Arc::new(Mutex::new(BTreeSet::new()));
        let (tell, filter) = (woken.clone(), wanted.clone());
        std::thread::spawn(move || {
            if let Err(error) = zbus::block_on(hear(&tell, &filter)) {
                say(&format!("systemd's changes are not heard, and only looked at by the timer: {error}"));
            }
        });
        Ok(Self { woken, wanted })
    }

    /// Only these matter from now on.
    pub fn only(&self, accepted: Option<&Accepted>) {
        let names = accepted.iter().flat_map(|accepted| &accepted.units).map(|unit| escaped(&unit.name));
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = names.collect();
    }

    /// Takes the notices.
    pub fn drain(&self) {
        let _ = self.woken.read();
    }
}

impl AsFd for Units {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }
}

/// systemd's signals come to those who asked for them (org.freedesktop.systemd1(5), Subscribe).
async fn hear(woken: &EventFd, wanted: &Mutex<BTreeSet<String>>) -> zbus::Result<()> {
    const SYSTEMD: &str = "org.freedesktop.systemd1";
    const UNITS: &str = "/org/freedesktop/systemd1/unit";
    let bus = zbus::Connection::system().await?;
    let manager = "org.freedesktop.systemd1.Manager";
    bus.call_method(Some(SYSTEMD), "/org/freedesktop/systemd1", Some(manager), "Subscribe", &()).await?;
    let rule = zbus::MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .sender(SYSTEMD)
        .interface("org.freedesktop.DBus.Properties")
        .member("PropertiesChanged")
        .path_namespace(UNITS)
        .build()?;
    let mut changes = zbus::MessageStream::for_match_rule(rule, &bus, None).await?;
    let mut known = BTreeMap::new();
    while let Some(message) = changes.try_next().await? {
        let header = message.header();
        let Some(unit) = header.path().and_then(|path| path.as_str().rsplit('/').next()) else { continue };
        let matters = wanted.lock().unwrap_or_else(PoisonError::into_inner).contains(unit);
        let body = message.body();
        let Ok((interface, values, _)) = body.deserialize::<Changed<'_>>() else { continue };
        if matters && interface == "org.freedesktop.systemd1.Unit" && news(&mut known, unit, &values) {
            let _ = woken.write(1);
        }
    }
    Ok(())
}

/// An interface, its values by name, and names of values that are no longer valid.
type Changed<'a> = (&'a str, BTreeMap<&'a str, zbus::Variant<'a>>, Vec<&'a str>);

/// Whether a unit has changed its state since its last signal. A look at a unit that is not loaded (a standby's) has systemd load
/// it and forget it again, which changes what its neighbours depend on, and each of those sends a signal: a loop that looked for
/// those would look for ever.
fn news(
    known: &mut BTreeMap<String, (String, String)>,
    unit: &str,
    values: &BTreeMap<&str, zbus::Variant<'_>>,
) -> bool {
    let value = |name: &str| values.get(name).map(ToString::to_string).unwrap_or_default();
    let now = (value("ActiveState"), value("StateChangeTimestampMonotonic"));
    known.insert(unit.to_owned(), now.clone()) != Some(now)
}

/// A unit's name as its D-Bus path has it: all but letters and digits as `_` and two hex digits.
fn escaped(unit: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("_{byte:02x}"),
    };
    unit.bytes().map(one).collect()
}

/// SIGHUP: look now, a commit has come. SIGTERM and SIGINT: end after this cycle.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// To be made before any thread is: they inherit that these signals are held.
    ///
    /// # Errors
    /// What the system said.
    pub fn hold() -> nix::Result<Self> {
        let mut set = SigSet::empty();
        [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT].into_iter().for_each(|signal| set.add(signal));
        set.thread_block()?;
        SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map(Self)
    }

    /// Takes them; whether the loop must end, and whether it was called for.
    pub fn drain(&mut self) -> (bool, bool) {
        let (mut ends, mut called) = (false, false);
        while let Ok(Some(info)) = self.0.read_signal() {
            let hup = i32::try_from(info.ssi_signo).is_ok_and(|number| number == Signal::SIGHUP as i32);
            if hup { called = true } else { ends = true }
        }
        (ends, called)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_found_by_its_name_on_the_bus() {
        assert_eq!(escaped("haoscar-watch.service"), "haoscar_2dwatch_2eservice");
    }

    #[test]
    fn a_signal_without_another_state_is_no_news() {
        let mut known = BTreeMap::new();
        let mut signal = |state: &'static str, at: u64| {
            let values = [
                ("ActiveState", zbus::Variant::from(state)),
                ("StateChangeTimestampMonotonic", zbus::Variant::from(at)),
            ];
            news(&mut known, "dnsmasq_2eservice", &BTreeMap::from(values))
        };
        assert!(signal("active", 7), "it was never heard of");
        assert!(!signal("active", 7), "its neighbours changed");
        assert!(signal("failed", 9));
        assert!(signal("active", 12), "and was started again");
    }
}
