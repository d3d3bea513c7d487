use super::*;
use crate::control::api::tests::Program;

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
    let changes = "-A would change what the configuration says, and that is changed in its file";
    assert_eq!(said("-A").await, Err(changes.to_owned()));
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
