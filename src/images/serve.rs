//! What machines ask over HTTP that boot from the network: boot files, which everybody gets; and what a machine needs that
//! is to be built. Of that nobody else gets anything: it is named by a ticket, and a ticket is told to its own MAC alone, once.
//!
//! ```text
//! GET  /files/PATH        a boot file, as TFTP gives it
//! GET  /boot              a script of iPXE that asks for the next one with the card's own MAC
//! GET  /boot/MAC          a script that boots the installer, or what the node with that card boots; 404 where there is neither
//! GET  /build/TOKEN/ticket            what the machine becomes
//! GET  /build/TOKEN/file/NAME         vmlinuz, initrd, manifest.json, manifest.json.sig (with ranges, RFC 9110)
//! GET  /build/TOKEN/piece/SHA256      a piece of the image, as it is kept
//! GET  /build/MAC/overlay             what a node has beside its image
//! POST /build/TOKEN/say               a word
//! POST /build/TOKEN/log               what its kernel said, once, where a stage failed
//! GET  /ask/TOKEN/file/NAME           vmlinuz, initrd: what a machine boots that nobody knows, while such machines are asked
//! POST /ask/TOKEN/say                 what it is
//! GET  /ask/TOKEN/known/MAC           whether it has a name by now
//! ```

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use camino::{Utf8Path, Utf8PathBuf};
use tower::ServiceExt;
use tower_http::services::{ServeDir, ServeFile};

use super::asking::{self, Stranger, Window};
use super::entries::Entries;
use super::error::{ImageError, disk};
use super::overlay::given;
use super::prepare;
use super::starting::{STARTING, Starting, show};
use super::store::{Store, parse_name};
use super::ticket::{self, Becomes, LOG_BYTES_MAX, Ticket, Word};
use crate::backends::boot::FILES;
use crate::backends::boot::nodes::GRUB;
use crate::host::{now_s, secret_path};
use crate::spec::Mac;

/// A word of a machine with the end of a program's output.
const WORD_BYTES_MAX: usize = 64 << 10;

type Answer = Result<Response, StatusCode>;

/// Serves until the process ends. `told` hears what nodes say while they start.
///
/// # Errors
/// The port is taken.
pub fn serve(
    store: Store,
    (files, entries): (&Utf8Path, &Utf8Path),
    port: u16,
    told: fn(&str),
) -> Result<(), ImageError> {
    let (files, grub) = (files.to_owned(), entries.join(GRUB));
    let starting = Arc::new(Starting::default());
    let served = Served { store, entries: Entries::at(entries), told, starting: starting.clone() };
    let routes = routes(served, &files);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(disk("the server of images"))?;
    runtime.block_on(async {
        let both = tokio::net::TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await;
        let listener = match both {
            Ok(listener) => Ok(listener),
            // a machine without IPv6
            Err(_) => tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await,
        };
        let listener = listener.map_err(disk(format!("port {port}")))?;
        tokio::spawn(give_loaders(files, grub));
        tokio::spawn(show(starting, STARTING.into()));
        axum::serve(listener, routes).await.map_err(disk(format!("port {port}")))
    })
}

/// Again and again: the storage comes when the group does. Where they cannot be put, `haoscar build` says why, and a machine that
/// asks for them that there are none.
async fn give_loaders(files: Utf8PathBuf, grub: Utf8PathBuf) {
    loop {
        if files.is_dir() {
            let _ = prepare::ipxe(&files);
            if grub.exists() {
                let _ = prepare::grub(&grub, &files);
            }
        }
        tokio::time::sleep(LOADERS_EVERY).await;
    }
}

/// A machine's firmware takes longer to ask for the first time.
const LOADERS_EVERY: Duration = Duration::from_secs(5);

/// What is served beside the boot files.
struct Served {
    store: Store,
    entries: Entries,
    told: fn(&str),
    starting: Arc<Starting>,
}

/// `files`: the folder of boot files; no path leads out of it (`ServeDir` refuses `..`).
fn routes(served: Served, files: &Utf8Path) -> Router {
    let files = ServeDir::new(files).append_index_html_on_directories(false);
    Router::new()
        .nest_service(FILES, files)
        .route("/boot", get(chain))
        .route("/boot/{mac}", get(script))
        .route("/build/{token}/ticket", get(ticket))
        .route("/build/{token}/file/{name}", get(file))
        .route("/build/{token}/piece/{sha256}", get(piece))
        .route("/build/{token}/overlay", get(overlay))
        .route("/build/{token}/say", post(say))
        .route("/ask/{token}/file/{name}", get(asked_file))
        .route("/ask/{token}/say", post(introduced))
        .route("/ask/{token}/known/{mac}", get(known))
        .layer(DefaultBodyLimit::max(WORD_BYTES_MAX))
        .route("/build/{token}/log", post(log).layer(DefaultBodyLimit::max(LOG_BYTES_MAX)))
        .with_state(Arc::new(served))
}

/// As the client calls this server.
fn own_name(headers: &HeaderMap) -> Result<String, StatusCode> {
    let name = headers.get(header::HOST).and_then(|name| name.to_str().ok());
    let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b));
    name.filter(plain).map(str::to_owned).ok_or(StatusCode::BAD_REQUEST)
}

async fn chain(headers: HeaderMap) -> Answer {
    let own = own_name(&headers)?;
    Ok(format!("#!ipxe\nchain http://{own}/boot/${{netX/mac}} || exit\n").into_response())
}

async fn script(State(served): State<Arc<Served>>, Path(mac): Path<String>, headers: HeaderMap) -> Answer {
    let (own, mac) = (own_name(&headers)?, mac.parse::<Mac>().map_err(|_| StatusCode::NOT_FOUND)?);
    let store = &served.store;
    let open = |ticket: &Ticket| {
        ticket.macs.contains(&mac) && ticket.is_open(now_s(), &ticket::said(store, &ticket.head))
    };
    let Some(ticket) = ticket::all(store).into_iter().find(open) else {
        if let Some((name, Some(run))) = served.entries.node(mac).map(|node| (node.name, node.run))
            && let Err(error) = store.find(&run.image)
        {
            (served.told)(&format!("{name}: {error}: haoscar image capture {}", parse_name(&run.image).0));
            return Err(StatusCode::NOT_FOUND);
        }
        let asked = || {
            let window = asking::window(store, now_s())?;
            (!window.known.contains(&mac) && served.entries.node(mac).is_none())
                .then(|| window.script(&own, mac))
        };
        let script = served.entries.script(mac).or_else(asked);
        return script.map(IntoResponse::into_response).ok_or(StatusCode::NOT_FOUND);
    };
    let (at, dashed) = (format!("http://{own}/build/{}", ticket.token), mac.to_string().replace(':', "-"));
    Ok(format!(
        "#!ipxe\n\
         kernel {at}/file/{kernel} initrd={initrd} boot=haoscar haoscar={at} ip=dhcp BOOTIF=01-{dashed}{consoles}\n\
         initrd --name {initrd} {at}/file/{initrd}\n\
         boot\n",
        consoles = ticket.consoles(),
        kernel = ticket::KERNEL,
        initrd = ticket::INITRAMFS
    )
    .into_response())
}

/// The ticket of a token that is not over, or of a node's card.
fn of_token(served: &Served, token: &str) -> Result<Ticket, StatusCode> {
    let store = &served.store;
    if let Ok(mac) = token.parse() {
        let node = served.entries.node(mac).ok_or(StatusCode::NOT_FOUND)?;
        let ticket = node.run.and_then(|run| Ticket::of_node(store, &node.name, mac, &run));
        return ticket.ok_or(StatusCode::NOT_FOUND);
    }
    let mut all = ticket::all(store).into_iter();
    let valid = |ticket: &Ticket| ticket.token == token && now_s() < ticket.expires;
    all.find(valid).ok_or(StatusCode::NOT_FOUND)
}

async fn ticket(State(served): State<Arc<Served>>, Path(token): Path<String>) -> Answer {
    Ok(Json(of_token(&served, &token)?).into_response())
}

async fn file(
    State(served): State<Arc<Served>>,
    Path((token, name)): Path<(String, String)>,
    asked: Request,
) -> Answer {
    let ticket = of_token(&served, &token)?;
    let path = ticket::file(&served.store, &ticket, &name).ok_or(StatusCode::NOT_FOUND)?;
    sent(&path, asked).await
}

async fn piece(
    State(served): State<Arc<Served>>,
    Path((token, sha256)): Path<(String, String)>,
    asked: Request,
) -> Answer {
    of_token(&served, &token)?;
    if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(StatusCode::NOT_FOUND);
    }
    sent(&served.store.path_of(&sha256), asked).await
}

/// Only a node's card has one.
async fn overlay(State(served): State<Arc<Served>>, Path(mac): Path<Mac>) -> Answer {
    let node = served.entries.node(mac).ok_or(StatusCode::NOT_FOUND)?;
    let (run, overlay) = node.run.zip(served.entries.overlay(&node.image)).ok_or(StatusCode::NOT_FOUND)?;
    match given(&overlay, run.secrets, &|name| std::fs::read(secret_path(name))) {
        Ok(given) => Ok(Json(given).into_response()),
        Err(error) => {
            (served.told)(&format!("{}: {error}", node.name));
            Err(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

async fn sent(path: &Utf8Path, asked: Request) -> Answer {
    let answer = ServeFile::new(path).oneshot(asked).await;
    answer.map(|answer| answer.map(Body::new)).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn say(State(served): State<Arc<Served>>, Path(token): Path<String>, Json(word): Json<Word>) -> Answer {
    let ticket = of_token(&served, &token)?;
    if ticket.becomes != Becomes::Head {
        if word.done == 0 {
            let failed = if word.failed { "failed: " } else { "" };
            (served.told)(format!("{}: {} {failed}{}", ticket.head, word.stage, word.text).trim_end());
        }
        served.starting.hear(&ticket.head, Word { at: now_s(), ..word });
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let kept = ticket::say(&served.store, &ticket.head, &Word { at: now_s(), ..word });
    kept.map(|()| StatusCode::NO_CONTENT.into_response()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn log(State(served): State<Arc<Served>>, Path(token): Path<String>, log: Bytes) -> Answer {
    let ticket = of_token(&served, &token)?;
    if ticket.becomes != Becomes::Head {
        return Err(StatusCode::NOT_FOUND); // nodes are many, and have consoles
    }
    let kept = ticket::keep_log(&served.store, &ticket.head, &log);
    kept.map(|()| StatusCode::NO_CONTENT.into_response()).map_err(|_| StatusCode::CONFLICT)
}

/// The time in which strangers are asked, for who has heard its token.
fn of_window(served: &Served, token: &str) -> Result<Window, StatusCode> {
    let window = asking::window(&served.store, now_s());
    window.filter(|window| window.token == token).ok_or(StatusCode::NOT_FOUND)
}

async fn asked_file(
    State(served): State<Arc<Served>>,
    Path((token, name)): Path<(String, String)>,
    asked: Request,
) -> Answer {
    of_window(&served, &token)?;
    let known = [ticket::KERNEL, ticket::INITRAMFS].contains(&name.as_str());
    let path = known.then(|| asking::folder(&served.store).join(name)).ok_or(StatusCode::NOT_FOUND)?;
    sent(&path, asked).await
}

async fn introduced(
    State(served): State<Arc<Served>>,
    Path(token): Path<String>,
    Json(stranger): Json<Stranger>,
) -> Answer {
    of_window(&served, &token)?;
    let kept = asking::hear(&served.store, stranger);
    kept.map(|()| StatusCode::NO_CONTENT.into_response()).map_err(|_| StatusCode::INSUFFICIENT_STORAGE)
}

async fn known(State(served): State<Arc<Served>>, Path((token, mac)): Path<(String, Mac)>) -> Answer {
    let window = of_window(&served, &token)?;
    let known = window.known.contains(&mac) || served.entries.node(mac).is_some();
    Ok(if known { asking::KNOWN } else { "" }.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::ticket::tests::sample;

    fn served(store: &Store) -> Served {
        Served {
            store: store.clone(),
            entries: Entries::at(&store.folder().join("entries")),
            told: |_| (),
            starting: Arc::default(),
        }
    }

    /// Boot files lie beside the store, in a folder of their own.
    fn ask(store: &Store, method: &str, path: &str, body: &str) -> (StatusCode, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let request = axum::http::Request::builder().method(method).uri(path);
            let request = request.header("host", "10.0.0.10:4081").header("content-type", "application/json");
            let request = request.body(Body::from(body.to_owned())).unwrap();
            let answer = routes(served(store), &store.folder().join("boot")).oneshot(request).await.unwrap();
            let status = answer.status();
            let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            (status, String::from_utf8_lossy(&bytes).into_owned())
        })
    }

    #[test]
    fn only_the_card_of_an_open_ticket_is_told_anything_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        ticket::open(&store, &sample(u64::MAX)).unwrap();
        assert_eq!(ask(&store, "GET", "/boot/52:54:00:99:99:99", "").0, StatusCode::NOT_FOUND);
        assert_eq!(ask(&store, "GET", "/build/guess/ticket", "").0, StatusCode::NOT_FOUND);
        assert_eq!(ask(&store, "GET", "/build/secret/file/ticket.json", "").0, StatusCode::NOT_FOUND);
        assert_eq!(ask(&store, "GET", "/build/secret/piece/..%2f..%2flock", "").0, StatusCode::NOT_FOUND);
        let (status, said) = ask(&store, "GET", "/boot/52:54:00:20:00:02", "");
        assert_eq!(status, StatusCode::OK);
        assert!(
            said.contains("haoscar=http://10.0.0.10:4081/build/secret ip=dhcp BOOTIF=01-52-54-00-20-00-02\n"),
            "{said}"
        );
        assert_eq!(
            ask(&store, "POST", "/build/secret/say", r#"{"stage":"begun"}"#).0,
            StatusCode::NO_CONTENT
        );
        assert_eq!(ask(&store, "GET", "/boot/52:54:00:20:00:02", "").0, StatusCode::NOT_FOUND, "it was used");
        assert!(ask(&store, "GET", "/build/secret/ticket", "").1.contains("head@1"), "and goes on with it");
    }

    #[test]
    fn a_node_is_told_what_its_image_boots_unless_a_head_is_built_with_that_card() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        let entries = store.folder().join("entries");
        std::fs::create_dir_all(&entries).unwrap();
        std::fs::write(entries.join("compute.ipxe"), "of a node").unwrap();
        std::fs::write(entries.join("nodes"), "[compute]\n52:54:00:20:02:01 n1\n52:54:00:20:00:02 n2\n")
            .unwrap();
        let of_node = (StatusCode::OK, "of a node".to_owned());
        assert_eq!(ask(&store, "GET", "/boot/52:54:00:20:02:01", ""), of_node);
        assert_eq!(ask(&store, "GET", "/boot/52:54:00:20:00:02", ""), of_node);
        ticket::open(&store, &sample(u64::MAX)).unwrap();
        assert!(ask(&store, "GET", "/boot/52:54:00:20:00:02", "").1.contains("boot=haoscar"));
    }

    #[test]
    fn a_node_that_runs_an_image_is_told_all_of_it_by_its_card_and_each_time_and_nobody_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        let (entries, version) = (store.folder().join("entries"), store.folder().join("compute/1"));
        std::fs::create_dir_all(&entries).unwrap();
        std::fs::create_dir_all(&version).unwrap();
        for name in ["manifest.json", "vmlinuz"] {
            std::fs::write(version.join(name), name).unwrap();
        }
        let list = "[compute]\n{\"image\":\"compute\",\"secrets\":false}\n52:54:00:20:02:01 n1\n[other]\n52:54:00:20:02:02 n2\n";
        std::fs::write(entries.join("nodes"), list).unwrap();
        std::fs::write(
            entries.join("overlay.json"),
            r#"{"compute":{"directories":[],"files":[],"units":[]}}"#,
        )
        .unwrap();
        let mine = |path: &str| ask(&store, "GET", &format!("/build/52:54:00:20:02:01/{path}"), "");
        for _ in 0..2 {
            let (status, ticket) = mine("ticket");
            assert!(
                status.is_success() && ticket.contains("node_in_memory") && ticket.contains("compute@1"),
                "{ticket}"
            );
            assert_eq!(mine("file/vmlinuz"), (StatusCode::OK, "vmlinuz".to_owned()));
            assert_eq!(mine("overlay").1, r#"{"directories":[],"files":[],"units":[]}"#);
            let said = ask(&store, "POST", "/build/52:54:00:20:02:01/say", r#"{"stage":"begun"}"#);
            assert_eq!(said.0, StatusCode::NO_CONTENT);
        }
        assert_eq!(mine("file/files").0, StatusCode::NOT_FOUND);
        for card in ["52:54:00:20:02:02", "52:54:00:20:00:02"] {
            for path in [
                "ticket",
                "overlay",
                "file/vmlinuz",
                "piece/0000000000000000000000000000000000000000000000000000000000000000",
            ] {
                assert_eq!(
                    ask(&store, "GET", &format!("/build/{card}/{path}"), "").0,
                    StatusCode::NOT_FOUND,
                    "{card} {path}"
                );
            }
        }
    }

    #[test]
    fn boot_files_are_everybodys_and_nothing_beside_them_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        std::fs::create_dir_all(store.folder().join("boot/images")).unwrap();
        std::fs::write(store.folder().join("boot/images/vmlinuz"), "kernel").unwrap();
        std::fs::write(store.folder().join("secret"), "secret").unwrap();
        let found = ask(&store, "GET", "/files/images/vmlinuz", "");
        assert_eq!(found, (StatusCode::OK, "kernel".to_owned()));
        for path in
            ["/files/../secret", "/files/%2e%2e/secret", "/files/", "/files/images", "/files//etc/passwd"]
        {
            let (status, said) = ask(&store, "GET", path, "");
            assert!(status.is_client_error() || status.is_redirection(), "{path}: {status}");
            assert!(said.is_empty(), "{path}: {said}");
        }
    }

    #[test]
    fn a_stranger_is_asked_while_the_window_is_open_and_who_is_known_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        let (stranger, head) = ("52:54:00:99:99:99", "52:54:00:20:00:01");
        let boot = |mac: &str| ask(&store, "GET", &format!("/boot/{mac}"), "");
        assert_eq!(boot(stranger).0, StatusCode::NOT_FOUND);
        let known = vec![head.parse().unwrap()];
        asking::open(&store, &Window { token: "t".to_owned(), expires: u64::MAX, known, console: None })
            .unwrap();
        std::fs::write(asking::folder(&store).join(ticket::KERNEL), "linux").unwrap();
        let (status, script) = boot(stranger);
        assert!(
            status == StatusCode::OK && script.contains("/ask/t/file/vmlinuz initrd=initrd boot=haoscar-ask"),
            "{script}"
        );
        assert_eq!(boot(head).0, StatusCode::NOT_FOUND, "it boots what it always boots");
        assert_eq!(ask(&store, "GET", "/ask/t/file/vmlinuz", "").1, "linux");
        let said = format!("{{\"mac\":\"{stranger}\",\"serial\":\"S1\"}}");
        assert_eq!(ask(&store, "POST", "/ask/t/say", &said).0, StatusCode::NO_CONTENT);
        assert!(asking::heard(&store).join(format!("{stranger}.json")).exists());
        let knows = |mac: &str| ask(&store, "GET", &format!("/ask/t/known/{mac}"), "");
        assert_eq!((knows(stranger).1.as_str(), knows(head).1.as_str()), ("", asking::KNOWN));
        for path in
            ["/ask/guess/file/vmlinuz", "/ask/t/file/window.json", "/ask/guess/known/52:54:00:99:99:99"]
        {
            assert_eq!(ask(&store, "GET", path, "").0, StatusCode::NOT_FOUND, "{path}");
        }
        asking::close(&store).unwrap();
        assert_eq!((boot(stranger).0, knows(stranger).0), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    }

    #[test]
    fn the_log_of_a_machine_is_kept_once_and_only_of_a_ticket() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        ticket::open(&store, &sample(u64::MAX)).unwrap();
        let (long, longer) = ("x".repeat(LOG_BYTES_MAX), "x".repeat(LOG_BYTES_MAX + 1));
        assert_eq!(ask(&store, "POST", "/build/guess/log", "x").0, StatusCode::NOT_FOUND);
        assert_eq!(ask(&store, "POST", "/build/secret/log", &longer).0, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(ask(&store, "POST", "/build/secret/log", &long).0, StatusCode::NO_CONTENT);
        assert_eq!(ask(&store, "POST", "/build/secret/log", "another").0, StatusCode::CONFLICT);
        let kept = ticket::folder(&store, &sample(0).head).join(ticket::LOG);
        assert_eq!(std::fs::read_to_string(kept).unwrap(), long);
    }

    #[test]
    fn a_ticket_whose_time_is_over_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        ticket::open(&store, &sample(1)).unwrap();
        for path in ["/boot/52:54:00:20:00:02", "/build/secret/ticket"] {
            assert_eq!(ask(&store, "GET", path, "").0, StatusCode::NOT_FOUND);
        }
    }
}
