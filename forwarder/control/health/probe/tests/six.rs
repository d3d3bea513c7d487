//! The same over IPv6.

use std::net::Ipv6Addr;

use super::*;

const ON: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

#[test]
fn connections() {
    well("Tcp()", server_at(ON, drop));
    let gone = TcpListener::bind((ON, 0)).unwrap().local_addr().unwrap();
    unwell("Tcp()", gone, "refused");
    let mail = ["220 mail\r\n", "250 HELP\r\n", "221 bye\r\n"];
    well("Smtp()", mail_server_at(ON, mail));
    well(r#"Grpc(service: "shop")"#, grpc_server(ON));
}

#[test]
fn http_says_the_host_in_brackets() {
    let to = server_at(ON, |mut stream| answer_http(&mut stream));
    let port = to.port();
    well(
        &format!(r#"Http(path: "/host", body: "^\\[::1\\]:{port}$")"#),
        to,
    );
}

#[test]
fn https_asks_without_a_name() {
    let (to, _) = https_server(ON, false);
    well(r#"Https(path: "/ok", body: "well")"#, to);
}

#[test]
fn datagrams() {
    let echo = udp_server_at(ON, <[u8]>::to_vec);
    well(r#"Udp(payload: "70696e67", reply: "70696e67")"#, echo);
    let gone = UdpSocket::bind((ON, 0)).unwrap().local_addr().unwrap();
    unwell(r#"Udp(payload: "70", reply: "")"#, gone, "refused");
    let dns = udp_server_at(ON, |query| dns_answer(query, RCODE::NoError));
    well(r#"Dns(name: "www.example.com", record: "AAAA")"#, dns);
}

#[test]
fn pings_and_commands() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    well("Ping()", "[::1]:0".parse().unwrap());
    well(
        r#"Command(command: ["/bin/sh", "-c", "test $WEIR_ADDRESS = ::1"])"#,
        "[::1]:1".parse().unwrap(),
    );
}
