//! A qnetd server as the third vote: what it gets, what members get of it, and times that fit `ha.detect`.
//!
//! A power cut is decided when two things have happened: corosync has declared the member dead (`detect`), and the
//! server has, for its algorithm waits until all who are connected to it agree on who is there. So the server must
//! give up a silent member after `detect` too: two heartbeats of half of it. Each side then bears a delay of half of
//! `detect` before a live member looks dead to it.

use serde_json::json;

use super::corosync::Members;
use crate::desired::{
    HostDesired, HostName, Mode, OnChange, Owner, Piece, Rendered, SecretKind, Unit, UnitWant,
};
use crate::spec::{Cluster, Problem, Witness, WitnessKind};
use crate::templates::Templates;

/// The members' side.
const DEVICE: &str = "corosync-qdevice.service";

/// The server.
const SERVER: &str = "corosync-qnetd.service";

/// The cluster's certificate and key, in the store of its members.
const SECRET: &str = "qnetd-certificate";

/// What signs it, on the server.
const SIGN: &str = include_str!("sign.sh");

/// The certificate on a member, from which its NSS database is made.
const CERTIFICATE: &str = "/etc/corosync/qdevice/net/haoscar.p12";

/// Makes it.
const SCRIPT: &str = "/etc/haoscar/qdevice-certificate";

/// The server gives up a client after so many of its heartbeats; the same for every cluster that it serves.
const MISSED: u64 = 2;

/// The server refuses heartbeats that come faster: a third of the least that a `detect` of 660 ms asks for.
const HEARTBEAT_LEAST_MS: u64 = 100;

/// The spec's qnetd server, if it has one.
pub fn witness(cluster: &Cluster) -> Option<(&HostName, &Witness)> {
    cluster.witnesses.iter().find(|(_, witness)| witness.kind == WitnessKind::Qnetd)
}

fn heartbeat_ms(cluster: &Cluster) -> u64 {
    (cluster.ha.detect.as_millis() / MISSED).max(HEARTBEAT_LEAST_MS)
}

/// Values of corosync.conf's device; none where no tie can come about. With an odd number of members only `lms`
/// keeps the last one quorate (corosync-qdevice(8)).
///
/// - `timeout`: votequorum drops the device's vote when it says nothing for so long, and a device that has lost its
///   server waits up to 0.45 × timeout before it connects again. Four times `detect`: it bears a stall of two
///   (it speaks each half), and is back after two. The default of 10 s would leave a lone head without quorum for 4.5 s.
/// - `sync_timeout`: how long a change of members waits for the device's word: until the server has given up the dead
///   one, and a device that had just lost its server is back (1 + 2 times `detect`), doubled and more.
pub fn device(cluster: &Cluster, members: &Members) -> Option<serde_json::Value> {
    let (_, witness) = witness(cluster)?;
    let host = witness.nics.values().next()?.address;
    let even = members.len().is_multiple_of(2);
    let detect = cluster.ha.detect.as_millis();
    let preferred = cluster.groups.values().next().and_then(|group| group.heads.first());
    (members.len() > 1).then(|| {
        json!({
            "host": host, "algorithm": if even { "ffsplit" } else { "lms" }, "even": even,
            "timeout": 4 * detect, "sync": 8 * detect,
            "winner": preferred.and_then(|head| members.get(head)),
        })
    })
}

/// What the server gets. Nothing in it is of one cluster, for it may serve others too.
///
/// # Errors
/// What a template says.
pub fn server(cluster: &Cluster, templates: &Templates) -> Result<Option<(HostName, HostDesired)>, Problem> {
    let Some((name, _)) = witness(cluster) else { return Ok(None) };
    let values = json!({ "least": HEARTBEAT_LEAST_MS, "missed": MISSED });
    let options = templates.file(
        "/etc/default/corosync-qnetd",
        "engine/pacemaker/qnetd.hbs",
        values,
        OnChange::Restart(SERVER.to_owned()),
    )?;
    let host = HostDesired {
        files: vec![options, drop_in(SERVER, "qnetd", templates)?],
        packages: ["corosync-qnetd".to_owned()].into(),
        units: vec![Unit { name: SERVER.to_owned(), want: UnitWant::Running }],
        ..HostDesired::default()
    };
    Ok(Some((name.clone(), host)))
}

/// What a member gets of it.
///
/// # Errors
/// What a template says.
pub fn lay(cluster: &Cluster, host: &mut HostDesired, templates: &Templates) -> Result<(), Problem> {
    let Some((server, _)) = witness(cluster) else { return Ok(()) };
    let file = |path: &str, template: &str, values| {
        templates.file(path, template, values, OnChange::Restart(DEVICE.to_owned()))
    };
    let values = json!({ "heartbeat": heartbeat_ms(cluster) });
    host.files.push(file("/etc/default/corosync-qdevice", "engine/pacemaker/qdevice.hbs", values)?);
    host.files.push(file(SCRIPT, "engine/pacemaker/qdevice.sh.hbs", json!({}))?);
    host.files.push(drop_in(DEVICE, "qdevice", templates)?);
    host.files.push(certificate());
    let argv = ["sh", "-c", SIGN, "sh", &cluster.name].map(str::to_owned).into();
    host.secrets.insert(SECRET.to_owned(), SecretKind::Made { host: server.clone(), argv });
    host.packages.insert("corosync-qdevice".to_owned());
    host.units.push(Unit { name: DEVICE.to_owned(), want: UnitWant::Running });
    Ok(())
}

fn drop_in(unit: &str, template: &str, templates: &Templates) -> Result<Rendered, Problem> {
    templates.file(
        format!("/etc/systemd/system/{unit}.d/haoscar.conf"),
        &format!("engine/pacemaker/{template}.conf.hbs"),
        json!({ "script": SCRIPT }),
        OnChange::DaemonReload(Some(unit.to_owned())),
    )
}

fn certificate() -> Rendered {
    Rendered {
        path: CERTIFICATE.into(),
        owner: Owner::root(),
        mode: Mode(0o600),
        text: vec![Piece::Secret(SECRET.to_owned())],
        on_change: OnChange::Restart(DEVICE.to_owned()),
        source: format!("secret {SECRET}"),
    }
}
