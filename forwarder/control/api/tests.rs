use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::JoinHandle,
};

use super::*;
use crate::{
    config::ApiTcp,
    control::{
        capture::{Asked, CaptureError, Wish},
        doctor::Ward,
        metrics::tests::scrape,
        socket,
        views::samples,
    },
    path::Recall,
    snapshot::Services,
};

mod openapi;

/// More than waits between both ends of a socket.
const BIG_OCTETS: usize = 8 << 20;

/// A program that answers from the samples, with so many sessions.
pub(crate) struct Program {
    directory: TempDir,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Program {
    pub(crate) async fn with_sessions(count: u32) -> Self {
        let (queries, asked) = mpsc::channel(4);
        tokio::spawn(answer(asked, samples::sessions(count)));
        Self::serving(BOUNDS, queries).await
    }

    async fn serving(bounds: Bounds, queries: mpsc::Sender<Query>) -> Self {
        let directory = TempDir::new().unwrap();
        let socket = Socket::claim(&path_in(&directory)).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve_within(
            bounds,
            Listeners { socket, door: None },
            queries,
            async {
                let _ = stopped.await;
            },
        ));
        Self {
            directory,
            stop,
            server,
        }
    }

    pub(crate) fn socket(&self) -> std::path::PathBuf {
        path_in(&self.directory)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.request(&format!("GET {path} HTTP/1.1\r\nHost: weir\r\n\r\n"))
            .await
    }

    async fn request(&self, request: &str) -> (u16, Value) {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(stream).await
    }
}

fn path_in(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("weir/weir.sock")
}

/// The answer, for which the program has to close the connection; its body has to be JSON.
async fn read_answer(mut stream: impl AsyncRead + Unpin) -> (u16, Value) {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/json"), "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

/// What a worker says that remembers nothing of a flow.
fn recalled(flow: &Flow) -> Recalled {
    let Flow::Four(flow) = flow else {
        panic!("{flow} is of IPv4")
    };
    let (source, destination) = (flow.source, flow.destination);
    let services = Services::default();
    let recall = Recall::new(source, destination, flow.protocol, &services);
    Recalled::Four(Box::new(recall))
}

fn nobody_is_ill(asked: doctor::Asked) {
    match asked {
        doctor::Asked::Ward(answer) => answer.send(Ward::default()).unwrap(),
        doctor::Asked::Send { .. } => panic!("nobody is to be asked"),
    }
}

fn capture(asked: Asked) {
    match asked {
        Asked::Begin { wish, answer } => answer.send(captured(&wish)).unwrap(),
        Asked::End(answer) => answer.send(false).unwrap(),
    }
}

/// Three octets for who wants the port `wan`, more than a connection holds for `big`, a stream
/// without an end for who wants `lan`.
fn captured(wish: &Wish) -> Result<capture::Stream, CaptureError> {
    let (pieces, stream) = mpsc::channel(1);
    match wish.on.join("+").as_str() {
        "wan" => pieces.try_send(b"abc".to_vec()).unwrap(),
        "big" => pieces.try_send(vec![0; BIG_OCTETS]).unwrap(),
        "lan" => drop(tokio::spawn(async move { pieces.closed().await })),
        _ => return Err(CaptureError::UnderWay),
    }
    Ok(stream)
}

/// What the manager does, with a cursor that counts the sessions passed.
async fn answer(mut asked: mpsc::Receiver<Query>, sessions: Vec<views::Session>) {
    while let Some(query) = asked.recv().await {
        match query {
            Query::Services(answer) => answer.send(samples::services()).unwrap(),
            Query::Sessions {
                from,
                limit,
                answer,
            } => {
                let from = usize::try_from(from.0).unwrap();
                let end = sessions.len().min(from + limit);
                let next = (end < sessions.len()).then_some(Cursor(end as u64));
                let sessions = sessions.get(from..end).unwrap_or_default().to_vec();
                answer.send(views::Page { sessions, next }).unwrap();
            }
            Query::Persistence { answer, .. } => {
                let templates = samples::templates();
                let next = None;
                answer.send(views::Templates { templates, next }).unwrap();
            }
            Query::Ports(answer) => answer.send(samples::ports()).unwrap(),
            Query::Neighbours(answer) => answer.send(samples::neighbours()).unwrap(),
            Query::Groups(answer) => answer.send(samples::groups()).unwrap(),
            Query::Sync(answer) => answer.send(samples::syncs()).unwrap(),
            Query::Snat(answer) => answer.send(samples::snat()).unwrap(),
            Query::Routes(answer) => answer.send(samples::routes()).unwrap(),
            Query::Checks(answer) => answer.send(samples::checks()).unwrap(),
            Query::Events(answer) => answer.send(samples::events()).unwrap(),
            Query::Drops(answer) => answer.send(samples::drops()).unwrap(),
            Query::Workers(answer) => answer.send(samples::workers()).unwrap(),
            Query::Timeouts(answer) => answer.send(samples::timeouts()).unwrap(),
            Query::Configuration(answer) => answer.send(Ok(samples::configuration())).unwrap(),
            Query::Differences(answer) => {
                answer.send(samples::changed().differences.into()).unwrap();
            }
            Query::Zero { service, answer } => {
                let is_there = service.is_none_or(|name| name == "web");
                answer.send(is_there).unwrap();
            }
            Query::Change { change, answer } => {
                let done = match change.to_string().as_str() {
                    "reload" | "reload of what runs" => Ok(samples::changed()),
                    "drain web/web1" | "weight 7 for web/web1" => Ok(views::Changed::default()),
                    other => Err(other.to_owned()),
                };
                answer.send(done).unwrap();
            }
            Query::Scrape(answer) => answer.send(Box::new(scrape().0)).unwrap(),
            Query::RouteTo { address, answer } => {
                assert_eq!(address.to_string(), "10.10.0.11");
                answer.send(samples::route_to()).unwrap();
            }
            Query::Recall { flow, answer } => answer.send(Some(recalled(&flow))).unwrap(),
            Query::Explain {
                flow,
                recall,
                answer,
            } => {
                assert!(recall.is_some(), "what was asked for is passed on");
                assert_eq!(flow.to_string(), "TCP 10.9.0.0:31337 > 10.9.0.100:80");
                answer.send(Ok(samples::explanation())).unwrap();
            }
            Query::Capture(asked) => capture(asked),
            Query::Doctor(asked) => nobody_is_ill(asked),
        }
    }
}

#[tokio::test]
async fn every_route_gives_what_the_manager_gives() {
    let program = Program::with_sessions(2).await;
    for (path, expected) in [
        ("/services", json!(samples::services())),
        (
            "/sessions",
            json!({ "sessions": samples::sessions(2), "next": null }),
        ),
        (
            "/persistence",
            json!({ "templates": samples::templates(), "next": null }),
        ),
        ("/ports", json!(samples::ports())),
        ("/neighbours", json!(samples::neighbours())),
        ("/routes", json!(samples::routes())),
        ("/drops", json!(samples::drops())),
        ("/checks", json!(samples::checks())),
        ("/events", json!(samples::events())),
        ("/workers", json!(samples::workers())),
        ("/timeouts", json!(samples::timeouts())),
        ("/config", json!(samples::configuration())),
        ("/changes", json!(samples::changed().differences)),
        ("/route?to=10.10.0.11", json!(samples::route_to())),
        (
            "/explain?flow=tcp,10.9.0.0:31337,10.9.0.100:80",
            json!(samples::explanation()),
        ),
        (
            "/explain?flow=10.9.0.0%3A31337+-%3E+10.9.0.100%3A80+TCP",
            json!(samples::explanation()),
        ),
        (
            "/version",
            json!({ "version": concat!("weir ", env!("WEIR_VERSION")) }),
        ),
    ] {
        assert_eq!(program.get(path).await, (200, expected), "{path}");
    }
}

#[tokio::test]
async fn traffic_is_set_to_zero_of_services_that_exist() {
    let program = Program::with_sessions(0).await;
    for (path, expected) in [
        ("/zero", (200, json!({}))),
        ("/zero?service=web", (200, json!({}))),
        (
            "/zero?service=wob",
            (404, json!({ "error": "service: there is no `wob`" })),
        ),
    ] {
        let post = format!("POST {path} HTTP/1.1\r\nHost: weir\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(program.request(&post).await, expected, "{path}");
    }
}

#[tokio::test]
async fn changes_are_carried_out_or_refused_with_the_reason() {
    let program = Program::with_sessions(0).await;
    let of = "/backend?service=web&backend";
    for (path, expected) in [
        ("/reload".to_owned(), (200, json!(samples::changed()))),
        (
            "/reload?expect=running".to_owned(),
            (200, json!(samples::changed())),
        ),
        (
            format!("{of}=web1&change=drain"),
            (200, json!(views::Changed::default())),
        ),
        (
            format!("{of}=web1&change=weight&weight=7"),
            (200, json!(views::Changed::default())),
        ),
        (
            format!("{of}=web9&change=enable"),
            (409, json!({ "error": "enable web/web9" })),
        ),
    ] {
        let post = format!("POST {path} HTTP/1.1\r\nHost: weir\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(program.request(&post).await, expected, "{path}");
    }
}

/// A request with a body of JSON.
fn wanting(body: &Value) -> String {
    let body = body.to_string();
    let octets = body.len();
    format!(
        "POST /capture HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\n\
         Content-Length: {octets}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn what_cannot_be_captured_is_refused_with_the_reason() {
    let program = Program::with_sessions(0).await;
    for (wanted, status, reason) in [
        (
            json!({ "on": ["wan"], "filter": "port http" }),
            400,
            "filter: `http` is not a port from 0 to 65535; ",
        ),
        (
            json!({ "on": ["wan"], "snap_octets": 0 }),
            400,
            "snap_octets: 0 is not a number from 1 to 65536",
        ),
        (
            json!({ "on": ["wan"], "count": 0 }),
            400,
            "count: 0 frames are none; ",
        ),
        (
            json!({ "on": ["wan"], "in": 1 }),
            400,
            "Failed to deserialize",
        ),
        (json!({ "on": ["busy"] }), 409, "a capture is under way, "),
    ] {
        let (refused, answer) = program.request(&wanting(&wanted)).await;
        let error = answer["error"].as_str().unwrap();
        assert!(error.starts_with(reason), "{error}");
        assert_eq!(refused, status, "{error}");
    }
    let end = "POST /capture/end HTTP/1.1\r\nHost: weir\r\nContent-Length: 0\r\n\r\n";
    let none = json!({ "error": "no capture is under way" });
    assert_eq!(program.request(end).await, (409, none));
}

#[tokio::test]
async fn the_doctor_finds_nothing_where_there_is_nobody() {
    let program = Program::with_sessions(0).await;
    let post = "POST /doctor HTTP/1.1\r\nHost: weir\r\nContent-Length: 0\r\n\r\n";
    let nothing = json!({ "backends": 0, "not_looked_at": 0, "findings": [] });
    assert_eq!(program.request(post).await, (200, nothing));
}

#[tokio::test]
async fn a_capture_may_take_longer_than_any_other_answer() {
    let bounds = Bounds {
        connection: Duration::from_millis(50),
        ..BOUNDS
    };
    let (queries, asked) = mpsc::channel(4);
    tokio::spawn(answer(asked, Vec::new()));
    let program = Program::serving(bounds, queries).await;
    let ask = async |on: &str| {
        let mut stream = UnixStream::connect(program.socket()).await.unwrap();
        let request = wanting(&json!({ "on": [on] }));
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = Vec::new();
        let end = timeout(Duration::from_millis(400), stream.read_to_end(&mut text)).await;
        (end.is_ok(), String::from_utf8(text).unwrap())
    };
    let (ended, text) = ask("wan").await;
    assert!(
        ended && text.contains("application/x-pcapng") && text.contains("abc"),
        "{text}"
    );
    let (ended, text) = ask("lan").await;
    assert!(!ended && text.starts_with("HTTP/1.1 200"), "{ended} {text}");
}

#[tokio::test]
async fn who_does_not_take_the_rest_of_a_capture_is_cut_off() {
    let bounds = Bounds {
        connection: Duration::from_millis(50),
        ..BOUNDS
    };
    let (queries, asked) = mpsc::channel(4);
    tokio::spawn(answer(asked, Vec::new()));
    let program = Program::serving(bounds, queries).await;
    let mut stream = UnixStream::connect(program.socket()).await.unwrap();
    let request = wanting(&json!({ "on": ["big"] }));
    stream.write_all(request.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(400)).await;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 200") && rest.len() < BIG_OCTETS);
}

/// Head and body of an answer that is no JSON.
async fn text_at(path: &str) -> (String, String) {
    let program = Program::with_sessions(0).await;
    let mut stream = UnixStream::connect(program.socket()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: weir\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn metrics_are_text_for_prometheus() {
    let (head, body) = text_at("/metrics").await;
    assert!(head.contains("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(body, scrape().0.text());
}

/// `scripts/lab/test_page.py` looks at it in a browser.
#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let (head, body) = text_at("/").await;
    assert!(head.contains("text/html; charset=utf-8"), "{head}");
    assert!(head.contains("default-src 'none'"), "{head}");
    let sources = ["src=", "@import", "url(", "https:", "http://"];
    let own = body.replace("http://www.w3.org/2000/svg", "");
    for source in sources {
        assert!(!own.contains(source), "{source}");
    }
}

#[tokio::test]
async fn over_tcp_the_token_reads_and_nothing_else_does_anything() {
    let folder = TempDir::new().unwrap();
    let tcp = ApiTcp {
        listen: "127.0.0.1:0".parse().unwrap(),
        token_file: folder.path().join("token"),
    };
    fs::write(&tcp.token_file, "0123456789abcdef\n").unwrap();
    fs::set_permissions(&tcp.token_file, fs::Permissions::from_mode(0o600)).unwrap();
    let door = Door::open(&tcp).await.unwrap();
    let address = door.listener.local_addr().unwrap();
    let (queries, asked) = mpsc::channel(4);
    tokio::spawn(answer(asked, Vec::new()));
    let socket = Socket::claim(&path_in(&folder)).await.unwrap();
    tokio::spawn(serve_within(
        BOUNDS,
        Listeners {
            socket,
            door: Some(door),
        },
        queries,
        pending(),
    ));

    let request = async |method: &str, header: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{method} /ports HTTP/1.1\r\nHost: weir\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(stream).await
    };
    let token = "Authorization: Bearer 0123456789abcdef\r\n";
    assert_eq!(request("GET", token).await, (200, json!(samples::ports())));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let secret = format!("GET /config HTTP/1.1\r\nHost: weir\r\n{token}\r\n");
    stream.write_all(secret.as_bytes()).await.unwrap();
    let error = "over TCP the configuration is not told, for the passwords in it";
    assert_eq!(read_answer(stream).await, (403, json!({ "error": error })));
    let error = "over TCP the API is for reading; `POST` takes the unix socket";
    let refused = (405, json!({ "error": error }));
    assert_eq!(request("POST", token).await, refused);
    let error = "give the token: as bearer token, or as the password of any user";
    let refused = (401, json!({ "error": error }));
    assert_eq!(request("GET", "").await, refused);
    let wrong = "Authorization: Bearer 0123456789abcdeX\r\n";
    assert_eq!(request("GET", wrong).await, refused);
}

#[tokio::test]
async fn backends_know_their_service() {
    let program = Program::with_sessions(0).await;
    let (status, backends) = program.get("/backends").await;
    assert_eq!((status, backends.as_array().unwrap().len()), (200, 2));
    assert_eq!(
        backends[1],
        json!({
            "service": "web", "protocol": "TCP", "virtual_address": "10.9.0.100:80",
            "name": "web2", "address": "10.10.0.12:8080", "forward": "Masq", "tunnel": null,
            "sorry": false, "max_connections": 100, "min_connections": 50,
            "weight": 0, "state": "down", "unlike_file": false,
            "health": {
                "check": "Http", "up": false, "reason": "Http: status 503 for /",
                "since_ms": 125_000, "weight": null, "last_ms": 400, "took_ms": 3,
                "fault": "status 503 for /",
            },
            "active": 0, "inactive": 0, "persistent": 0, "ports_exhausted": 0, "connections": 0,
            "in_packets": 0, "out_packets": 0, "in_octets": 0, "out_octets": 0,
            "rates": {
                "connections": 0, "in_packets": 0, "out_packets": 0,
                "in_octets": 0, "out_octets": 0,
            },
        })
    );
}

#[tokio::test]
async fn pages_hold_every_session_once() {
    let program = Program::with_sessions(10_000).await;
    let mut from = Some("0".to_owned());
    let mut sessions: Vec<views::Session> = Vec::new();
    let mut pages = 0;
    while let Some(cursor) = from {
        let (status, page) = program
            .get(&format!("/sessions?from={cursor}&limit=999"))
            .await;
        let page: views::Page = serde_json::from_value(page).unwrap();
        assert_eq!(status, 200);
        assert!(page.sessions.len() <= 999);
        sessions.extend(page.sessions);
        from = page.next.map(String::from);
        pages += 1;
    }
    assert_eq!(pages, 11);
    assert_eq!(sessions, samples::sessions(10_000));
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let program = Program::with_sessions(0).await;
    for (path, status, error) in [
        ("/conns", 404, "nothing is at `/conns`"),
        ("/index", 404, "nothing is at `/index`"),
        (
            "/sessions?limit=0",
            400,
            "limit: `0` is not a number from 1 to 1000",
        ),
        (
            "/sessions?limit=1001",
            400,
            "limit: `1001` is not a number from 1 to 1000",
        ),
        (
            "/sessions?limit=ten",
            400,
            "limit: `ten` is not a number from 1 to 1000",
        ),
        (
            "/sessions?from=-1",
            400,
            "from: `-1` is not what a page gave as `next`: invalid digit found in string",
        ),
        (
            "/sessions?form=1",
            400,
            "Failed to deserialize query string: form: unknown field `form`, \
             expected `from` or `limit`",
        ),
        (
            "/route",
            400,
            "Failed to deserialize query string: missing field `to`",
        ),
        (
            "/route?to=10.1.0.0/24",
            400,
            "to: `10.1.0.0/24` is no IP address",
        ),
        (
            "/explain?flow=tcp,10.9.0.0:31337,10.9.0.100",
            400,
            "flow: `10.9.0.100` has no port; write it as `10.9.0.100:80`",
        ),
        (
            "/explain?flow=10.9.0.0:1,10.9.0.100:80",
            400,
            "flow: no protocol; write `tcp` or `udp`, as in \
             `tcp 203.0.113.7:40000 192.0.2.100:80`",
        ),
        (
            "/ports?x=1",
            400,
            "this path takes no parameters, but there is `x=1`",
        ),
    ] {
        let expected = (status, json!({ "error": error }));
        assert_eq!(program.get(path).await, expected, "{path}");
    }
    let post = "POST /services HTTP/1.1\r\nHost: weir\r\nContent-Length: 0\r\n\r\n";
    let error = "`POST` does nothing here";
    assert_eq!(
        program.request(post).await,
        (405, json!({ "error": error }))
    );
}

#[tokio::test]
async fn only_root_may_ask() {
    let program = Program::with_sessions(0).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&program.socket()), 0o600);
    assert_eq!(mode(program.socket().parent().unwrap()), 0o755);
}

#[tokio::test]
async fn the_socket_of_a_dead_program_is_replaced() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("weir.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let socket = Socket::claim(&path).await.unwrap();
    assert!(UnixStream::connect(&path).await.is_ok());
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_second_program_is_refused() {
    let program = Program::with_sessions(0).await;
    let path = program.socket();
    let refused = Socket::claim(&path).await.unwrap_err().to_string();
    assert_eq!(
        refused,
        format!("another weir is listening on {}", path.display())
    );
    assert_eq!(program.get("/services").await.0, 200);
}

#[tokio::test]
async fn what_weir_did_not_put_there_stays() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("weir.sock");
    fs::write(&path, "precious").unwrap();
    let refused = Socket::claim(&path).await.unwrap_err();
    assert!(matches!(refused, socket::Error::NotASocket(_)), "{refused}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

    fs::remove_file(&path).unwrap();
    let foreign = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let refused = Socket::claim(&path).await.unwrap_err();
    assert!(matches!(refused, socket::Error::InUse(_)), "{refused}");
    drop(foreign);
}

#[tokio::test]
async fn a_link_in_the_lock_s_place_leads_nowhere() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("weir.sock");
    let victim = directory.path().join("victim");
    std::os::unix::fs::symlink(&victim, directory.path().join("weir.sock.lock")).unwrap();
    let refused = Socket::claim(&path).await.unwrap_err();
    assert!(matches!(refused, socket::Error::System { .. }), "{refused}");
    assert!(!victim.exists());
}

/// Both would hold the only connection for ever: one that says nothing, one that stops halfway.
#[tokio::test]
async fn silent_clients_are_cut_off() {
    let (queries, asked) = mpsc::channel(4);
    tokio::spawn(answer(asked, Vec::new()));
    let bounds = Bounds {
        connections: 1,
        connection: Duration::from_millis(200),
        answer: Duration::from_millis(100),
    };
    let program = Program::serving(bounds, queries).await;
    for said in ["", "GET /services HTTP/1.1\r\nHost: "] {
        let mut silent = UnixStream::connect(program.socket()).await.unwrap();
        silent.write_all(said.as_bytes()).await.unwrap();
        let patience = Duration::from_secs(5);
        let (status, _) = timeout(patience, program.get("/services")).await.unwrap();
        assert_eq!(status, 200);
        assert_eq!(silent.read(&mut [0; 64]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_request_has_a_largest_size() {
    let program = Program::with_sessions(0).await;
    let mut stream = UnixStream::connect(program.socket()).await.unwrap();
    let header = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(REQUEST_OCTETS));
    // The program may hang up before it has read all.
    let _ = stream.write_all(header.as_bytes()).await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");
}

#[tokio::test]
async fn a_manager_that_is_busy_or_gone_is_named() {
    let (queries, asked) = mpsc::channel(4);
    let bounds = Bounds {
        answer: Duration::from_millis(50),
        ..BOUNDS
    };
    let program = Program::serving(bounds, queries).await;
    let error = "the management thread did not answer within 50ms";
    assert_eq!(
        program.get("/ports").await,
        (503, json!({ "error": error }))
    );
    let request = "POST /reload HTTP/1.1\r\nHost: weir\r\n\r\n";
    let error = "the change was not made within 50ms, and may still come into force; \
                 `weir show changes` tells";
    assert_eq!(
        program.request(request).await,
        (503, json!({ "error": error }))
    );
    drop(asked);
    let error = "weir is stopping";
    assert_eq!(
        program.get("/ports").await,
        (503, json!({ "error": error }))
    );
}

#[tokio::test]
async fn stopping_lets_answers_out_and_removes_the_socket() {
    let (queries, mut asked) = mpsc::channel(4);
    let program = Program::serving(BOUNDS, queries).await;
    let path = program.socket();
    let mut asking = UnixStream::connect(&path).await.unwrap();
    let request = "GET /routes HTTP/1.1\r\nHost: weir\r\n\r\n";
    asking.write_all(request.as_bytes()).await.unwrap();
    let Some(Query::Routes(answer)) = asked.recv().await else {
        panic!("the routes were asked for");
    };

    program.stop.send(()).unwrap();
    while path.exists() {
        tokio::task::yield_now().await;
    }
    assert!(UnixStream::connect(&path).await.is_err());
    answer.send(samples::routes()).unwrap();
    assert_eq!(read_answer(asking).await, (200, json!(samples::routes())));
    timeout(GRACE, program.server).await.unwrap().unwrap();
}
