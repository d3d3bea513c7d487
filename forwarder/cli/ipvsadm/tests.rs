use super::*;
use crate::{
    config::Config,
    control::{
        api::tests::Program,
        explain::Unstarted,
        views::{Forward, samples},
    },
};

/// What the services of the samples are configured by.
const FILE: &str = r#"(dpdk: (workers: [1]),
    ports: [
        (name: "wan", device: Vdev("net_null0"), addresses: ["10.9.0.1/24", "2001:db8::1/64"]),
        (name: "lan", device: Vdev("net_null1"), addresses: ["10.10.0.1/24"]),
    ],
    services: [
        (name: "web", address: "10.9.0.100:80", protocol: Tcp, forward: Nat, backends: [
            (name: "web1", address: "10.10.0.11:80"),
            (name: "web2", address: "10.10.0.12:8080", weight: 0),
        ]),
        (name: "dns", address: "10.9.0.101:53", protocol: Udp, forward: Dr, scheduler: mh,
            hash_port: true),
    ])"#;

async fn said(line: &str) -> Result<String, String> {
    let program = Program::with_sessions(1).await;
    let words = Words::try_parse_from(line.split_whitespace());
    let words = words.map_err(|error| error.kind().to_string())?;
    let mut out = Vec::new();
    perform(&mut out, &program.socket(), &words)
        .await
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

/// What the real ipvsadm prints, of services that the samples have; the comparison with it is in
/// `scripts/oracle/test_ipvsadm.py`.
#[tokio::test]
async fn lists_are_ipvsadms() {
    let title = "IP Virtual Server version 1.2.1 (size=4096)\n";
    let head = concat!(
        "Prot LocalAddress:Port Scheduler Flags\n",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n",
    );
    let web = concat!(
        "TCP  10.9.0.100:80 wlc\n",
        "  -> 10.10.0.11:80                Masq    1      0          119       \n",
        "  -> 10.10.0.12:8080              Masq    0      0          0         \n",
    );
    let dns = "UDP  10.9.0.101:53 mh (mh-port)\n";
    let all = Ok(format!("{title}{head}{web}{dns}"));
    for line in ["-Ln", "-l -n", "-L --numeric --sort", "-n", "--list -n"] {
        assert_eq!(said(line).await, all, "{line}");
    }
    assert_eq!(
        said("-Ln -t 10.9.0.100:80").await,
        Ok(format!("{head}{web}"))
    );
    let rates = said("-Ln --rate").await.unwrap();
    assert!(rates.contains(
        "TCP  10.9.0.100:80                       1       11        9  1234567  987654K\n"
    ));
    let thresholds = said("-Ln --thresholds -t 10.9.0.100:80").await.unwrap();
    let of_web2 = "  -> 10.10.0.12:8080              100        50         0          0         \n";
    assert!(thresholds.ends_with(of_web2), "{thresholds}");
    let rates = said("-Ln --rate --exact").await.unwrap();
    assert!(rates.contains(
        "TCP  10.9.0.100:80                       1       11        9  1234567987654321\n"
    ));
}

#[tokio::test]
async fn rules_can_be_read_back() {
    let rules = concat!(
        "-A -t 10.9.0.100:80 -s wlc\n",
        "-a -t 10.9.0.100:80 -r 10.10.0.11:80 -m -w 1\n",
        "-a -t 10.9.0.100:80 -r 10.10.0.12:8080 -m -w 0 -x 100 -y 50\n",
        "-A -u 10.9.0.101:53 -s mh -b mh-port\n",
    );
    assert_eq!(said("-S -n").await, Ok(rules.to_owned()));
    assert_eq!(said("-Sn").await, Ok(rules.to_owned()));
}

#[tokio::test]
async fn connections_and_timeouts_are_ipvsadms() {
    let connections = concat!(
        "IPVS connection entries\n",
        "pro expire state       source             virtual            destination\n",
        "TCP 14:59  ESTABLISHED 10.9.0.0:31337     10.9.0.100:80      10.10.0.11:80\n",
        "TCP 04:59  NONE        203.0.113.0:0      10.9.0.100:80      10.10.0.11:80\n",
        "TCP 04:59  ASSURED     198.51.100.255:0   10.9.0.100:80      10.10.0.11:80\n",
    );
    assert_eq!(said("-Lnc").await, Ok(connections.to_owned()));
    let timeouts = "Timeout (tcp tcpfin udp): 900 120 300\n";
    assert_eq!(said("-L --timeout").await, Ok(timeouts.to_owned()));
}

#[tokio::test]
async fn zero_says_nothing_and_finds_its_service() {
    assert_eq!(said("-Z").await, Ok(String::new()));
    assert_eq!(said("-Z -t 10.9.0.100:80").await, Ok(String::new()));
    let none = Err("No such service".to_owned());
    assert_eq!(said("-Z -u 10.9.0.100:80").await, none);
    assert_eq!(said("-Ln -t 10.9.0.100:81").await, none);
    assert_eq!(said("-Ln -f 1").await, none);
}

#[tokio::test]
async fn what_ipvsadm_refuses_is_refused() {
    for line in [
        "-L -S",
        "-Lnc -t 10.9.0.100:80",
        "-Sn -t 10.9.0.100:80",
        "-Ln -f 1 -t 10.9.0.100:80",
        "-Ln --timeout --stats",
        "-Ln extra",
        "-X",
        "--set 1 2",
    ] {
        assert!(said(line).await.is_err(), "{line}");
    }
    let illegal = "illegal virtual server address[:port] specified: 10.1.0.300:1";
    assert_eq!(said("-Ln -t 10.1.0.300:1").await, Err(illegal.to_owned()));
}

#[test]
fn names_are_those_of_the_system() {
    let named = |port, protocol| named(&([127, 0, 0, 1], port).into(), protocol);
    assert_eq!(named(80, Protocol::Tcp), "localhost:http");
    assert_eq!(named(53, Protocol::Udp), "localhost:domain");
    assert_eq!(
        meant("127.0.0.1:http").unwrap(),
        ([127, 0, 0, 1], 80).into()
    );
    assert_eq!(meant("localhost").unwrap(), ([127, 0, 0, 1], 0).into());
}

/// What a line of arguments asks the program to change, with the services of the samples: each
/// change as the log tells it, if a configuration comes of it.
async fn asked(line: &str) -> Result<String, String> {
    let program = Program::with_sessions(0).await;
    let words = Words::try_parse_from(line.split_whitespace());
    let words = words.map_err(|error| error.kind().to_string())?;
    let command = words.change().expect("it changes something");
    let mut draft = Draft::of(&samples::services());
    if draft.obey(command, &words).is_ok() {
        let file = Config::parse(FILE, "f").unwrap();
        let edited = file.edited(&draft.edits);
        edited.map_err(|error| format!("no configuration comes of it: {error}"))?;
    }
    // The samples' program refuses all changes, by saying what they are.
    match change(&program.socket(), [(command, &words)]).await {
        Ok(()) => Err("nothing was asked".to_owned()),
        Err(error) => error.downcast::<Said>().map_or_else(
            |error| Err(error.to_string()),
            |said| match said.code {
                255 if ["add ", "set ", "remove "]
                    .iter()
                    .any(|of| said.text.starts_with(of)) =>
                {
                    Ok(said.text)
                }
                code => Err(format!("{code} {}", said.text)),
            },
        ),
    }
}

#[tokio::test]
async fn services_and_servers_change_by_ipvsadms_words() {
    for (line, expected) in [
        (
            "-A -t 10.9.0.7:443 -s mh -b mh-port -p 60 -M 255.255.255.0",
            "add service `tcp-10.9.0.7:443`: address: \"10.9.0.7:443\", forward: Dr, \
             hash_port: true, persistence.mask: 24, persistence.timeout: \"60s\", protocol: Tcp, \
             scheduler: mh",
        ),
        (
            "-A -u 10.9.0.7:0 -p",
            "add service `udp-10.9.0.7:0`: address: \"10.9.0.7:*\", forward: Dr, \
             persistence.mask: 32, persistence.timeout: \"300s\", protocol: Udp, scheduler: wlc",
        ),
        (
            "-A -t [2001:db8::7]:443 -s static_rr -p 60",
            "add service `tcp-2001:db8::7.443`: address: \"[2001:db8::7]:443\", forward: Dr, \
             persistence.mask: 128, persistence.timeout: \"60s\", protocol: Tcp, \
             scheduler: static_rr",
        ),
        (
            "-E -t 10.9.0.100:80 -s rr",
            "set service `web`: balance_factor: none, draws: none, fallback: none, hash_port: \
             none, maglev_slots: none, persistence: none, scheduler: rr, seed: none",
        ),
        ("-D -u 10.9.0.101:53", "remove service `dns`"),
        ("-C", "remove configuration"),
        (
            "-a -t 10.9.0.100:80 -r 10.10.0.13:8080 -m -w 7 -x 9 -y 5",
            "add backend `web/10.10.0.13:8080`: address: \"10.10.0.13:8080\", \
             max_connections: 9, min_connections: 5, weight: 7",
        ),
        (
            "-a -t 10.9.0.100:80 -r 10.10.0.13 -m",
            "add backend `web/10.10.0.13:80`: address: \"10.10.0.13:80\", max_connections: 0, \
             min_connections: 0, weight: 1",
        ),
        (
            "-e -t 10.9.0.100:80 -r 10.10.0.12:8080 -w 0",
            "set backend `web/web2`: max_connections: 0, min_connections: 0, weight: 0",
        ),
        (
            "-e -t 10.9.0.100:80 -r 10.10.0.12:8080 -m",
            "set backend `web/web2`: max_connections: 0, min_connections: 0, tunnel: none, \
             weight: 1",
        ),
        (
            "-d -t 10.9.0.100:80 -r 10.10.0.11:80",
            "remove backend `web/web1`",
        ),
        (
            "--set 60 0 9",
            "set configuration: timeouts.established: \"60s\", timeouts.udp: \"9s\"",
        ),
    ] {
        assert_eq!(asked(line).await, Ok(expected.to_owned()), "{line}");
    }
}

#[test]
fn tunnels_are_said_as_a_file_says_them() {
    for (line, expected) in [
        ("-i", None),
        ("-i --tun-type ipip", None),
        ("-i --tun-type gre", Some("Gre()")),
        ("-i --tun-type gre --tun-csum", Some("Gre(checksum: Full)")),
        ("-i --tun-type gue --tun-port 6080", Some("Gue(port: 6080)")),
        (
            "-i --tun-type gue --tun-port 6080 --tun-csum",
            Some("Gue(port: 6080, checksum: Full)"),
        ),
        (
            "-i --tun-type gue --tun-port 6080 --tun-remcsum",
            Some("Gue(port: 6080, checksum: Remote)"),
        ),
    ] {
        for server in ["10.10.0.21", "[2001:db8::21]"] {
            let line = format!("-a -u 10.9.0.101:53 -r {server} {line}");
            let words = Words::try_parse_from(line.split_whitespace()).unwrap();
            let mut draft = Draft::of(&samples::services());
            draft.obey(Command::AddServer, &words).unwrap();
            let keys = &draft.edits.last().unwrap().keys;
            let tunnel = keys.get("tunnel").and_then(Option::as_deref);
            assert_eq!(tunnel, expected, "{line}");
        }
    }
}

#[test]
fn rules_have_the_options_of_tunnels() {
    let mut services = samples::services();
    for (tunnel, options) in [
        ("ipip", " --tun-type ipip"),
        ("gre:-c", " --tun-type gre --tun-nocsum"),
        ("gre:+c", " --tun-type gre --tun-csum"),
        (
            "gue:6080:r+c",
            " --tun-type gue --tun-port 6080 --tun-remcsum",
        ),
    ] {
        services[0].backends[0].forward = Forward::Tunnel;
        services[0].backends[0].tunnel = Some(tunnel.to_owned());
        let mut out = Vec::new();
        rules::write(&mut out, &services, tables::numeric).unwrap();
        let line = format!("-a -t 10.9.0.100:80 -r 10.10.0.11:80 -i -w 1{options}\n");
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains(&line), "{out}");
    }
}

/// The texts and codes are the real one's; `scripts/oracle/test_ipvsadm.py` asks it.
const REFUSED: &[(&str, &str)] = &[
    ("-A -t 10.9.0.100:80", "255 Service already exists"),
    ("-E -t 10.9.0.7:80", "255 No such service"),
    ("-D -t 10.9.0.7:80", "255 No such service"),
    ("-a -t 10.9.0.7:80 -r 10.10.0.1", "255 Service not defined"),
    ("-e -t 10.9.0.7:80 -r 10.10.0.1", "255 Service not defined"),
    ("-d -t 10.9.0.7:80 -r 10.10.0.1", "255 Service not defined"),
    (
        "-a -t 10.9.0.100:80 -r 10.10.0.11 -m",
        "255 Destination already exists",
    ),
    (
        "-e -t 10.9.0.100:80 -r 10.10.0.9",
        "255 No such destination",
    ),
    (
        "-d -t 10.9.0.100:80 -r 10.10.0.9",
        "255 No such destination",
    ),
    (
        "-A -t 10.9.0.7:80 -s nosuch",
        "255 Scheduler or persistence engine not found",
    ),
    (
        "-A -t 10.9.0.7:0",
        "2 Zero port specified for non-persistent service",
    ),
    (
        "-A -t 10.9.0.7:80 -b mh-port",
        "2 incompatible scheduler flag `mh-port'",
    ),
    (
        "-A -t 10.9.0.7:80 -b none",
        "2 invalid scheduler flag `none'",
    ),
    (
        "-A -t 10.9.0.7:80 -p x",
        "2 invalid timeout value `x' specified",
    ),
    (
        "-A -t 10.9.0.7:80 -p 9 -M 255.0.255.0",
        "2 illegal virtual server persistent mask specified",
    ),
    (
        "-A -t [2001:db8::7]:80 -p 9 -M 129",
        "2 illegal virtual server persistent mask specified",
    ),
    (
        "-a -t 10.9.0.100:80 -r 10.10.0.9 -w x",
        "2 illegal weight specified",
    ),
    (
        "-a -t 10.9.0.100:80 -r 10.10.0.300",
        "2 illegal real server address[:port] specified",
    ),
    (
        "-a -t 10.9.0.100:80",
        "2 You need to supply the 'real-server' option for the 'add-server' command",
    ),
    (
        "-D",
        "2 You need to supply the 'service-address' option for the 'delete-service' command",
    ),
    (
        "-A -t 10.9.0.7:80 -w 3",
        "2 Illegal 'weight' option with the 'add-service' command",
    ),
    (
        "-a -t 10.9.0.100:80 -r 10.10.0.9 -m --tun-type gre",
        "2 Tunnel options conflict with forward method",
    ),
    (
        "-a -t 10.9.0.100:80 -r 10.10.0.9 -i --tun-type gue",
        "2 You need to supply the 'tun-port' option for the 'gue' tunnel type",
    ),
    (
        "-a -t 10.9.0.100:80 -r 10.10.0.9 -i --tun-type gue --tun-port 0",
        "2 illegal tunnel port specified",
    ),
    (
        "-a -t 10.9.0.100:80 -r 10.10.0.9 -i --tun-type none",
        "2 illegal tunnel type specified",
    ),
    (
        "-a -t 10.9.0.100:80 -r 10.10.0.9 -i --tun-csum",
        "2 Illegal 'tun-csum' option with the 'ipip' tunnel type",
    ),
    (
        "-a -t 10.9.0.100:80 -r 10.10.0.9 -i --tun-type gre --tun-remcsum",
        "2 Illegal 'tun-remcsum' option with the 'gre' tunnel type",
    ),
    (
        "-a -t 10.9.0.100:80 -r 10.10.0.9 -i --tun-type gre --tun-nocsum --tun-csum",
        "2 The option 'tun-csum' conflicts with the 'tun-nocsum' option in the 'gre' tunnel type",
    ),
    (
        "-a -t 10.9.0.100:80 -r [2001:db8::9] -m",
        "2 Different address family is allowed only for tunneling servers",
    ),
    (
        "-a -t 10.9.0.100:80 -r 10.10.0.9 -i",
        "255 all servers of a service are reached in one way, those of this one by Masq; make \
             it a service of its own",
    ),
];

#[tokio::test]
async fn what_cannot_be_changed_is_refused_in_ipvsadms_words() {
    for (line, expected) in REFUSED {
        assert_eq!(asked(line).await, Err((*expected).to_owned()), "{line}");
    }
}

#[tokio::test]
async fn rules_are_restored_together() {
    let program = Program::with_sessions(0).await;
    let restored = async |rules: &str| {
        let done = restore(&program.socket(), rules.as_bytes()).await;
        done.unwrap_err().to_string()
    };
    let rules = "# saved\n-A -t 10.9.0.7:80 -s rr\n\n-a -t 10.9.0.7:80 -r 10.10.0.1:8080 -m -w 2\n";
    // The service, its mode, and the server.
    assert_eq!(restored(rules).await, "3 changes");
    let twice = "-A -t 10.9.0.7:80\n-A -t 10.9.0.7:80\n";
    assert_eq!(restored(twice).await, "Service already exists");
    let error = restored("-A -t 10.9.0.7:80\n-L\n").await;
    assert_eq!(error, "line 2: -L: nothing that would change anything");
}

#[test]
fn servers_of_full_nat_are_saved_in_a_word_that_restores_them() {
    let mut services = samples::services();
    for backend in services.iter_mut().flat_map(|one| &mut one.backends) {
        backend.forward = Forward::FullNat;
    }
    let mut out = Vec::new();
    rules::write(&mut out, &services, tables::numeric).unwrap();
    let rules = String::from_utf8(out).unwrap();
    let servers = rules.lines().filter(|line| line.starts_with("-a"));
    for line in servers {
        let words = Words::try_parse_from(line.split_whitespace()).unwrap();
        let full = Forward::FullNat;
        assert_eq!(words.method(), Some(full), "{line}");
    }
}

/// The services of a configuration, as its director tells of them.
fn services_of(config: &Config) -> Vec<Service> {
    let unstarted = Unstarted::new(config).unwrap();
    unstarted.books().services()
}

fn saved(services: &[Service]) -> String {
    let mut out = Vec::new();
    rules::write(&mut out, services, tables::numeric).unwrap();
    String::from_utf8(out).unwrap()
}

/// Carries out rules on services.
fn drafted(services: &[Service], rules: &str) -> Result<Draft, String> {
    let mut draft = Draft::of(services);
    for line in rules.lines() {
        let words = Words::try_parse_from(line.split_whitespace());
        let words = words.map_err(|error| format!("{line}: {error}"))?;
        let command = words.change().ok_or_else(|| line.to_owned())?;
        let obeyed = draft.obey(command, &words);
        obeyed.map_err(|error| format!("{line}: {error}"))?;
    }
    Ok(draft)
}

#[test]
fn what_is_saved_of_every_configuration_is_restored() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let (mut restored, mut refused) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let config = Config::load(&path).unwrap();
        let services = services_of(&config);
        let rules = saved(&services);
        let drafted = drafted(&services, &format!("-C\n{rules}"));
        if services.iter().any(|one| rules::unreadable(one).is_some()) {
            assert!(drafted.is_err(), "{}", path.display());
            refused += 1;
            continue;
        }
        let draft = drafted.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // What groups and others say of services by name is no rule's.
        let Ok(config) = config.edited(&draft.edits) else {
            assert!(!config.groups.is_empty(), "{}", path.display());
            continue;
        };
        assert_eq!(saved(&services_of(&config)), rules, "{}", path.display());
        restored += 1;
    }
    assert!(restored > 5 && refused > 0, "{restored} {refused}");
}

/// `-E` says nothing of what becomes of clients of who drains, so it stays.
#[test]
fn editing_persistence_keeps_what_ipvsadm_does_not_know() {
    let text = r#"(dpdk: (workers: [1]),
        ports: [(name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"])],
        services: [(name: "web", address: "192.0.2.100:80", protocol: Tcp, forward: Nat,
            persistence: (timeout: "9s", draining: Move),
            backends: [(name: "web1", address: "192.0.2.11:80")])])"#;
    let config = Config::parse(text, "f").unwrap();
    let rule = "-E -t 192.0.2.100:80 -p 60 -M 255.255.255.0";
    let draft = drafted(&services_of(&config), rule).unwrap();
    let persistence = config.edited(&draft.edits).unwrap().services[0].persistence;
    let persistence = persistence.unwrap();
    assert_eq!(persistence.draining, crate::config::Draining::Move);
    assert_eq!((persistence.timeout.as_secs(), persistence.mask), (60, 24));
}
