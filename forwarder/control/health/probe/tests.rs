//! Each probe against a real server on loopback, well and unwell.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use simple_dns::{Packet, PacketFlag, RCODE};
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, Stream,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::*;
use crate::config::Config;

mod six;

/// A check as the configuration would have it.
fn check(text: &str) -> Arc<Check> {
    let text = format!(
        r#"(dpdk: (workers: [1]),
        ports: [(name: "lan", device: Vdev("net_null0"), addresses: ["10.1.0.1/24"])],
        services: [(name: "web", address: "192.0.2.100:80", protocol: Tcp, forward: Nat,
            health: {text}, backends: [(name: "web1", address: "10.1.0.11:80")])])"#
    );
    let config = Config::parse(&text, "f").unwrap();
    let check = config.services[0].backends[0].health.clone();
    check.unwrap()
}

/// Asks the server at `to`; a fault is given as its text.
fn asked(text: &str, to: SocketAddr) -> Result<Pass, String> {
    let check = check(text);
    let tls = match &check.probe {
        Probe::Http(http) => http.tls.as_ref(),
        _ => None,
    };
    let question = Question {
        service: "web".to_owned(),
        backend: "web1".to_owned(),
        to,
        device: check.device.clone(),
        tls: tls.map(|tls| Connectors::default().of(tls.ca.as_ref())),
        check,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answer = runtime.block_on(async {
        let patience = std::time::Duration::from_secs(10);
        tokio::time::timeout(patience, ask(&question)).await
    });
    answer.unwrap().map_err(|fault| fault.to_string())
}

fn well(text: &str, to: SocketAddr) {
    assert_eq!(asked(text, to), Ok(Pass::default()), "{text}");
}

fn unwell(text: &str, to: SocketAddr, why: &str) {
    let fault = asked(text, to).unwrap_err();
    assert!(
        fault.contains(why),
        "{text}: `{fault}` does not say `{why}`"
    );
}

/// A server that does this with each connection, until the test's program ends.
fn server(serve: impl Fn(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    server_at(Ipv4Addr::LOCALHOST.into(), serve)
}

fn server_at(on: IpAddr, serve: impl Fn(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((on, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().flatten().for_each(&serve));
    address
}

/// Where nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Answers `/ok`, `/moved` and `/big`, and tells anyone their Host header.
fn answer_http(stream: &mut (impl Read + Write)) {
    let mut request = Vec::new();
    let mut octet = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut octet).is_ok_and(|n| n == 1) {
        request.push(octet[0]);
    }
    let request = String::from_utf8(request).unwrap();
    let host = request.lines().find_map(|line| line.strip_prefix("host: "));
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match path {
        "/ok" => (200, "all is well".to_owned()),
        "/host" => (200, host.unwrap_or_default().to_owned()),
        "/moved" => (302, String::new()),
        "/big" => (200, "x".repeat(100_000)),
        _ => (404, "nothing here".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let body = if request.starts_with("HEAD") {
        ""
    } else {
        &body
    };
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
    let _ = stream.flush();
}

#[test]
fn tcp() {
    well("Tcp()", server(drop));
    unwell("Tcp()", nobody(), "refused");
    unwell(
        r#"Tcp(bind: "no-such-dev")"#,
        server(drop),
        "cannot use the device `no-such-dev`",
    );
    if nix::unistd::geteuid().is_root() {
        well(r#"Tcp(bind: "lo")"#, server(drop));
    }
}

#[test]
fn http() {
    let to = server(|mut stream| answer_http(&mut stream));
    well(r#"Http(path: "/ok")"#, to);
    well(r#"Http(path: "/ok", method: "HEAD")"#, to);
    well(r#"Http(path: "/ok", body: "^all .* well$")"#, to);
    well(
        r#"Http(path: "/host", host: "www.example.com", body: "^www.example.com$")"#,
        to,
    );
    well(&format!(r#"Http(path: "/host", body: "^{to}$")"#), to);
    well(r#"Http(path: "/moved", status: ["200", "300-399"])"#, to);
    let digest = md5_of("all is well");
    well(&format!(r#"Http(path: "/ok", digest: "{digest}")"#), to);
    well(
        r#"Http(urls: [(path: "/ok"), (path: "/none", status: ["404"])])"#,
        to,
    );
    unwell(r#"Http(path: "/none")"#, to, "status 404 for /none");
    unwell(r#"Http(path: "/moved")"#, to, "status 302");
    unwell(
        r#"Http(path: "/ok", body: "broken")"#,
        to,
        "the body of /ok does not match",
    );
    // Beyond the part that is searched.
    unwell(r#"Http(path: "/big", body: "y")"#, to, "does not match");
    unwell(
        &format!(r#"Http(path: "/ok", digest: "{}")"#, "0".repeat(64)),
        to,
        "the body of /ok has the digest",
    );
    unwell(
        r#"Http(urls: [(path: "/ok"), (path: "/none")])"#,
        to,
        "status 404 for /none",
    );
    unwell("Http()", nobody(), "refused");
    unwell("Http()", server(drop), "HTTP");
    let rubbish = server(|mut stream| stream.write_all(b"SSH-2.0-x\r\n\r\n").unwrap());
    unwell("Http()", rubbish, "HTTP");
}

fn md5_of(text: &str) -> String {
    use md5::Digest;
    digits(&md5::Md5::digest(text))
}

/// A web server for `www.example.com` that has signed its certificate itself; as an authority, if
/// `is_ca`, as what `openssl req -x509` makes. Returns where it is, and the certificate in PEM.
fn https_server(on: IpAddr, is_ca: bool) -> (SocketAddr, String) {
    let mut params = CertificateParams::new(vec!["www.example.com".to_owned()]).unwrap();
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let to = server_at(on, move |mut stream| {
        let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        if connection.complete_io(&mut stream).is_ok() {
            answer_http(&mut Stream::new(&mut connection, &mut stream));
        }
    });
    (to, certificate.pem())
}

#[test]
fn https() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let ca = file.display();
    let on = Ipv4Addr::LOCALHOST.into();
    for is_ca in [false, true] {
        let (to, certificate) = https_server(on, is_ca);
        // Unless asked to, a check does not ask who the server is.
        well(r#"Https(path: "/ok", body: "well")"#, to);
        std::fs::write(&file, certificate).unwrap();
        let by_name = format!(r#"Https(path: "/ok", ca: "{ca}", host: "www.example.com")"#);
        well(&by_name, to);
        let other = format!(r#"Https(path: "/ok", ca: "{ca}", host: "example.com")"#);
        unwell(&other, to, "not valid for name");
        let (another, _) = https_server(on, is_ca);
        unwell(&by_name, another, "invalid peer certificate");
    }
    let (to, certificate) = https_server(on, false);
    std::fs::write(&file, certificate).unwrap();
    well(
        &format!(r#"Https(path: "/ok", ca: "{ca}", sni: "www.example.com")"#),
        to,
    );
    unwell(
        &format!(r#"Https(path: "/ok", ca: "{ca}")"#),
        to,
        "not valid for name",
    );
    unwell(r#"Https(path: "/none")"#, to, "status 404");
    unwell(r#"Https(ca: "/nowhere/ca.pem")"#, to, "/nowhere/ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    unwell(&format!(r#"Https(ca: "{ca}")"#), to, "no certificates");
    let plain = server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    unwell(r#"Https(path: "/ok")"#, plain, "TLS");
}

/// A server of UDP that gives these answers.
fn udp_server(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
    udp_server_at(Ipv4Addr::LOCALHOST.into(), answer)
}

fn udp_server_at(on: IpAddr, answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind((on, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut octets = [0; 2048];
        while let Ok((count, from)) = socket.recv_from(&mut octets) {
            let _ = socket.send_to(&answer(&octets[..count]), from);
        }
    });
    address
}

/// Where no datagram is taken.
fn no_udp() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap()
}

#[test]
fn udp() {
    let echo = udp_server(<[u8]>::to_vec);
    well(r#"Udp(payload: "70 69 6e 67", reply: "70696X67")"#, echo);
    well(r#"Udp(payload: "70", timeout: "200ms")"#, echo);
    unwell(
        r#"Udp(payload: "70696e67", reply: "706f")"#,
        echo,
        "4 octets, `70696e67`",
    );
    unwell(r#"Udp(payload: "70")"#, no_udp(), "refused");
    unwell(r#"Udp(payload: "70", reply: "")"#, no_udp(), "refused");
    // Who is silent is well, unless an answer is wanted.
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    well(r#"Udp(timeout: "100ms")"#, silent.local_addr().unwrap());
}

/// What a DNS server answers that says this of everything.
fn dns_answer(query: &[u8], code: RCODE) -> Vec<u8> {
    let mut packet = Packet::parse(query).unwrap();
    packet.set_flags(PacketFlag::RESPONSE);
    *packet.rcode_mut() = code;
    packet.build_bytes_vec().unwrap()
}

#[test]
fn dns() {
    let answer = |code: RCODE| udp_server(move |query| dns_answer(query, code));
    well("Dns()", answer(RCODE::NoError));
    well(
        r#"Dns(name: "www.example.com", record: "A")"#,
        answer(RCODE::NoError),
    );
    unwell("Dns()", answer(RCODE::ServerFailure), "ServerFailure");
    unwell("Dns()", udp_server(<[u8]>::to_vec), "not to what was asked");
    unwell("Dns()", udp_server(|_| b"rubbish".to_vec()), "unexpected");
    unwell("Dns()", no_udp(), "refused");
}

#[test]
fn ping() {
    if nix::unistd::geteuid().is_root() {
        well("Ping()", "127.0.0.1:0".parse().unwrap());
    }
}

/// A mail server that says this when somebody comes, to EHLO and to QUIT.
fn mail_server(said: [&'static str; 3]) -> SocketAddr {
    mail_server_at(Ipv4Addr::LOCALHOST.into(), said)
}

fn mail_server_at(on: IpAddr, said: [&'static str; 3]) -> SocketAddr {
    server_at(on, move |mut stream| {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        for line in said {
            if stream.write_all(line.as_bytes()).is_err() || lines.next().is_none() {
                return;
            }
        }
    })
}

#[test]
fn smtp() {
    let several = "250-mail.example.com\r\n250-SIZE\r\n250 HELP\r\n";
    well(
        "Smtp()",
        mail_server(["220 mail\r\n", several, "221 bye\r\n"]),
    );
    unwell(
        "Smtp()",
        mail_server(["554 no\r\n", "", ""]),
        "`554 no` instead of 220",
    );
    unwell(
        "Smtp()",
        mail_server(["220 mail\r\n", "502 what?\r\n", ""]),
        "instead of 250",
    );
    unwell("Smtp()", server(drop), "instead of 220");
}

/// A server of gRPC whose service `shop` is well.
fn grpc_server(on: IpAddr) -> SocketAddr {
    use http_body_util::{BodyExt, Full};
    use hyper::{Request, Response, body::Bytes, body::Incoming, service::service_fn};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let listener = TcpListener::bind((on, 0)).unwrap();
    let to = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let answer = async |request: Request<Incoming>| {
                assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                let body = request.into_body().collect().await?.to_bytes();
                let status = u8::from(!body.ends_with(b"shop")) + 1;
                let message = vec![0, 0, 0, 0, 2, 8, status];
                let body = Full::new(Bytes::from(message));
                Ok::<_, hyper::Error>(Response::new(body))
            };
            while let Ok((stream, _)) = listener.accept().await {
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let stream = TokioIo::new(stream);
                let _ = server.serve_connection(stream, service_fn(answer)).await;
            }
        });
    });
    to
}

#[test]
fn grpc() {
    let to = grpc_server(Ipv4Addr::LOCALHOST.into());
    well(r#"Grpc(service: "shop")"#, to);
    unwell("Grpc()", to, "not serving");
    unwell("Grpc()", nobody(), "refused");
    unwell(
        "Grpc()",
        server(|mut stream| answer_http(&mut stream)),
        "HTTP",
    );
}

#[test]
fn command() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let shell = |script: &str, more: &str| {
        asked(
            &format!(r#"Command(command: ["/bin/sh", "-c", "{script}"]{more})"#),
            nobody(),
        )
    };
    assert_eq!(shell("exit 0", ""), Ok(Pass::default()));
    assert_eq!(shell("exit 1", ""), Err("exit code 1".to_owned()));
    assert_eq!(shell("exit 12", ""), Err("exit code 12".to_owned()));
    let weighed = Pass { weight: Some(10) };
    assert_eq!(shell("exit 12", ", dynamic_weight: true"), Ok(weighed));
    let told = "test $WEIR_SERVICE-$WEIR_BACKEND-$WEIR_ADDRESS = web-web1-127.0.0.1";
    assert_eq!(shell(told, ""), Ok(Pass::default()));
    let as_daemon = "test $(id -un) = daemon";
    assert_eq!(shell(as_daemon, r#", user: "daemon""#), Ok(Pass::default()));
}
