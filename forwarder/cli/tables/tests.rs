use super::{balance::large, *};
use crate::control::views::{Protocol, samples};

fn text(print: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    print(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn services_are_as_ipvsadm_lists_them() {
    assert_eq!(
        text(|out| services(out, "weir 0.1.0 (git 1a2b3c4)", &samples::services())),
        concat!(
            "weir 0.1.0 (git 1a2b3c4)\n",
            "Prot LocalAddress:Port Scheduler Flags\n",
            "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n",
            "TCP  10.9.0.100:80 wlc\n",
            "  -> 10.10.0.11:80                Masq    1      0          119       \n",
            "  -> 10.10.0.12:8080              Masq    0      0          0         \n",
            "UDP  10.9.0.101:53 mh (mh-port) (allow 2, deny 1)\n",
        )
    );
}

#[test]
fn what_is_otherwise_than_in_the_file_has_a_star() {
    let mut all = samples::services();
    all[0].unlike_file = true;
    all[0].backends[1].unlike_file = true;
    let shown = text(|out| services(out, "weir", &all));
    let starred: Vec<&str> = shown.lines().filter(|line| line.contains('*')).collect();
    assert_eq!(
        starred,
        [
            "TCP  10.9.0.100:80 wlc *",
            "  -> 10.10.0.12:8080              Masq    0      0          0         *",
            "* otherwise than in the file: weir show changes",
        ]
    );
}

#[test]
fn services_of_several_addresses_have_them_below_each_other_or_a_mark() {
    let mut all = samples::services();
    let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
    all[0].listeners.extend([
        samples::listener(udp, "10.9.0.100", "8000-8999"),
        samples::listener(tcp, "10.9.0.102", "*"),
    ]);
    let listeners = |marks| {
        let style = Style {
            marks,
            ..Style::default()
        };
        let shown = text(|out| list(out, &all, &style));
        let above: Vec<_> = shown.lines().skip(2).map(str::to_owned).collect();
        above
            .into_iter()
            .filter(|line| !line.starts_with("  ->"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        listeners(false),
        [
            "TCP  10.9.0.100:80 wlc",
            "UDP  10.9.0.100:8000-8999",
            "TCP  10.9.0.102:*",
            "UDP  10.9.0.101:53 mh (mh-port)",
        ]
    );
    assert_eq!(
        listeners(true),
        ["FWM  1 wlc", "UDP  10.9.0.101:53 mh (mh-port)"]
    );
}

#[test]
fn backends_are_as_ipvsadm_counts_them() {
    assert_eq!(
        text(|out| statistics(out, "weir 0.1.0 (git 1a2b3c4)", &samples::services())),
        concat!(
            "weir 0.1.0 (git 1a2b3c4)\n",
            "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n",
            "  -> RemoteAddress:Port\n",
            "TCP  10.9.0.100:80                     119     1190      952  123456K   98765M\n",
            "  -> 10.10.0.11:80                     119     1190      952  123456K   98765M\n",
            "  -> 10.10.0.12:8080                     0        0        0        0        0\n",
            "UDP  10.9.0.101:53                       0        0        0        0        0\n",
        )
    );
}

#[test]
fn numbers_are_shortened_where_ipvsadm_shortens_them() {
    for (number, shown) in [
        (0, "        0"),
        (99_999_999, " 99999999"),
        (100_000_000, "  100000K"),
        (999_999_999, "  999999K"),
        (1_000_000_000, "    1000M"),
        (99_999_999_999, "   99999M"),
        (100_000_000_000, "     100G"),
        (99_999_999_999_999, "   99999G"),
        (100_000_000_000_000, "     100T"),
        (u64::MAX, "18446744T"),
    ] {
        assert_eq!(large(number), shown);
    }
}

#[test]
fn sessions_are_as_ipvsadm_lists_them() {
    let mut two = samples::sessions(2);
    two[1].expires_ms = 3_600_000 * 2;
    two[1].state = "UDP".to_owned();
    two[1].protocol = Protocol::Udp;
    two[1].local = Some("10.10.0.200:2049".parse().unwrap());
    assert_eq!(
        text(|out| {
            sessions_head(out, "weir session entries", true)?;
            sessions(out, &two, numeric)
        }),
        concat!(
            "weir session entries\n",
            "pro expire state       source             virtual            destination        ",
            "local\n",
            "TCP 14:59  ESTABLISHED 10.9.0.0:31337     10.9.0.100:80      10.10.0.11:80\n",
            "UDP 120:00 UDP         10.9.0.1:31337     10.9.0.100:80      10.10.0.11:80      ",
            "10.10.0.200:2049\n",
        )
    );
}

#[test]
fn clients_have_a_line_each() {
    assert_eq!(
        text(|out| {
            templates_head(out)?;
            templates(out, &samples::templates())
        }),
        concat!(
            "expire state   client             service          backend          address\n",
            "04:59  NONE    203.0.113.0/24     web              web1             10.10.0.11:80\n",
            "04:59  ASSURED 198.51.100.255/32  web              web1             10.10.0.11:80\n",
        )
    );
}

#[test]
fn routes_are_as_route_prints_them() {
    assert_eq!(
        text(|out| routes(out, &samples::routes())),
        concat!(
            "weir IP routing table\n",
            "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n",
            "0.0.0.0         192.0.2.1       0.0.0.0         UG    0      0        0 wan\n",
            "192.0.2.0       0.0.0.0         255.255.255.0   U     0      0        0 wan\n",
        )
    );
}

#[test]
fn groups_show_who_has_their_addresses() {
    assert_eq!(
        text(|out| groups(out, &samples::groups())),
        "\
Group Id State  Since Prio Master          Sent Heard Rivals Iface
pair  51 BACKUP   61s  100 192.0.2.3 (150)    7    61      1 wan
pair -> 192.0.2.100
pair -> 10.1.0.254
pair lacks port lan
"
    );
}

#[test]
fn the_other_director_is_shown_with_what_was_lost() {
    assert_eq!(
        text(|out| syncs(out, &samples::syncs())),
        "\
Peer          State Since   Lag Has Gave Told Heard Taken
10.2.0.3:8848 UP      61s 1.2ms all some 1000   500   495
told late for want of room: 7 changes; sent again: 4 messages
not taken: 3 unknown, 2 in the way of others, 1 early, 5 stale, 6 forged, 0 malformed
"
    );
}

#[test]
fn snat_shows_what_is_in_use() {
    assert_eq!(
        text(|out| snat(out, &samples::snat())),
        concat!(
            "Rule PublicAddress InUse ActiveConn Conns OutPkts InPkts OutBytes InBytes Iface\n",
            "out  192.0.2.50        3          2     7      21     14     1050    2800 wan\n",
            "out  192.0.2.51        0          0     0       0      0        0       0 wan\n",
            "out <- 10.1.0.0/24: TCP, UDP, ICMP; 1 exhausted\n",
        )
    );
}

#[test]
fn neighbours_show_what_is_known_of_them() {
    assert_eq!(
        text(|out| neighbours(out, &samples::neighbours())),
        concat!(
            "Address    HWtype HWaddress         State      Kind    Age Iface\n",
            "192.0.2.1  ether  02:fc:00:00:00:05 REACHABLE  learned 12s wan\n",
            "10.1.0.200 ether  (incomplete)      INCOMPLETE learned  0s lan\n",
        )
    );
}

#[test]
fn ports_show_what_weir_and_the_driver_count() {
    assert_eq!(
        text(|out| ports(out, &samples::ports())),
        concat!(
            "0: wan: <UP> mtu 1500 speed 10000Mb/s rx-queues 2 tx-queues 1\n",
            "    device 0000:3b:00.0 driver net_ixgbe\n",
            "    link/ether 02:00:00:00:00:01\n",
            "    inet 192.0.2.2/24\n",
            "    inet 192.0.2.3/24\n",
            "    RX: bytes packets errors missed nombuf\n",
            "         3193      29      1      7      3\n",
            "    TX:        bytes     packets errors\n",
            "        987654321012 12345678901      2\n",
            "1: lan: <NO-CARRIER> mtu 9000 speed unknown rx-queues 2 tx-queues 1\n",
            "    device net_af_packet0,iface=lan0 driver net_af_packet\n",
            "    link/ether 02:00:00:00:00:02\n",
            "    inet 10.1.0.1/24\n",
            "    RX: bytes packets errors missed nombuf\n",
            "            0       0      0      0      0\n",
            "    TX: bytes packets errors\n",
            "            0       0      0\n",
        )
    );
}

#[test]
fn drops_begin_with_the_most_frequent_and_leave_out_what_never_was() {
    assert_eq!(
        text(|out| drops(out, samples::drops())),
        concat!(
            "Packets Layer Reason       Description\n",
            "   1000 ip    bad_checksum The header checksum is wrong.\n",
            "      3 ip    ttl_expired  The TTL reached zero.\n",
        )
    );
}

#[test]
fn workers_show_where_their_frames_went() {
    let heads = "Worker Core Idle  Busy   Sessions Evicted Refused OutOfPorts Gone Received \
                 Injected TakenOver   Sent Dropped Punted HandedOver Waiting Answered\n";
    let row = "     0    1 spin 37.5% 12/1048576       2       0          0    0  1000000        5 \
               \x20       0 999000    1000      5          0       0        4\n";
    assert_eq!(
        text(|out| workers(out, &samples::workers())),
        [heads, row].concat()
    );
}

#[test]
fn a_route_is_as_ip_prints_it() {
    let mut found = samples::route_to();
    assert_eq!(
        text(|out| route_to(out, &found)),
        concat!(
            "10.10.0.11 via 10.1.0.254 dev lan src 10.1.0.1\n",
            "    10.10.0.0/16 10.1.0.254 lladdr 02:fc:00:00:00:0b REACHABLE\n",
        )
    );
    let hop = found.hop.as_mut().unwrap();
    (hop.gateway, hop.mac) = (None, None);
    hop.neighbour = found.address;
    hop.state = "NONE".to_owned();
    assert_eq!(
        text(|out| route_to(out, &found)),
        concat!(
            "10.10.0.11 dev lan src 10.1.0.1\n",
            "    10.10.0.0/16 10.10.0.11 lladdr (incomplete) NONE\n",
        )
    );
    (found.hop, found.own) = (None, Some("VIP".to_owned()));
    assert_eq!(
        text(|out| route_to(out, &found)),
        "local 10.10.0.11 (VIP)\n"
    );
}

#[test]
fn an_explanation_has_a_line_for_each_step() {
    assert_eq!(
        text(|out| explanation(out, &samples::explanation())),
        concat!(
            "service    web: TCP 10.9.0.100:80, Masq, wlc\n",
            "verdict    forward, by lan\n",
        )
    );
}
