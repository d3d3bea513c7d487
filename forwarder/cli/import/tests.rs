use std::{fs, path::Path};

use super::*;
use crate::config::Checked;

fn imported(draft: &Draft) -> (String, Checked) {
    let text = configuration(draft, "FILE");
    let checked = Checked::parse(&text, "f").unwrap_or_else(|refused| panic!("{refused}\n{text}"));
    (text, checked)
}

#[test]
fn rules_become_services() {
    let rules = "\
ipvsadm -A -t 192.0.2.100:80 -s wlc -p 360
-a -t 192.0.2.100:80 -r 10.1.0.11:8080 -m -w 70000
-a -t 192.0.2.100:http -r 10.1.0.12:http-alt -m -w 0 -x 100
-a -t 192.0.2.100:80 -r 10.1.0.13:80 -g -w 1
# a comment
-A -u 192.0.2.101:53 -s mh -b mh-port
-a -u 192.0.2.101:53 -r 10.1.0.11 -g
-A -t 192.0.2.102:443 -s sh -b sh-fallback,sh-port
-a -t 192.0.2.102:443 -r 10.2.0.1:443 -i -w 3 --tun-type ipip
-A -f 1 -s rr
-A -t 192.0.2.103:0 -s rr -p
-a -t 192.0.2.103:0 -r 10.1.0.14:8080 -m
--set 300 0 60
-X";
    let (text, checked) = imported(&ipvsadm::read(rules));
    let config = checked.config;
    let names: Vec<_> = config.services.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "tcp-192.0.2.100:80",
            "udp-192.0.2.101:53",
            "tcp-192.0.2.102:443",
            "tcp-192.0.2.103:0"
        ]
    );
    let [web, dns, tls, any] = &config.services[..] else {
        panic!("{names:?}")
    };
    let weights = |service: &crate::config::Service| -> Vec<u32> {
        service
            .backends
            .iter()
            .map(|backend| backend.weight)
            .collect()
    };
    assert_eq!((web.scheduler.name, weights(web)), ("wlc", vec![65_535, 0]));
    assert_eq!(web.backends[1].address.to_string(), "10.1.0.12:8080");
    assert_eq!(web.backends[1].limits.max_connections, 100);
    assert!(dns.scheduler.hash_port);
    assert_eq!(dns.backends[0].address.to_string(), "10.1.0.11:53");
    assert_eq!((tls.scheduler.name, weights(tls)), ("sh", vec![3]));
    assert_eq!(tls.forward, crate::config::Forward::Tun);
    assert_eq!(any.key().to_string(), "192.0.2.103:*");
    assert_eq!(config.timeouts.udp_ms(), 60_000);
    for comment in [
        "// line 10: -A -f 1 -s rr: left out, a mark names no address; write what it marks",
        "                // was 10.1.0.14:8080; IPVS keeps the port where a service has any",
        "                (name: \"10.1.0.14:0\", address: \"10.1.0.14\"),",
        "forward: Nat, scheduler: wlc, persistence: (timeout: \"360s\", mask: 32),",
        "                // weight was 70000; 65535 is the most",
        "                // 10.1.0.13:80, weight 1: left out, another forwarding method than",
        "    timeouts: (established: \"300s\", udp: \"60s\"),",
    ] {
        assert!(text.contains(comment), "{comment}\n{text}");
    }
    assert_eq!(text.matches("-X").count(), 1, "{text}");
}

#[test]
fn rules_of_ipv6_become_services() {
    let rules = "\
-A -t [2001:db8::1]:80 -s rr -p 60 -M 64
-a -t [2001:db8::1]:80 -r [2001:db8:1::11]:8080 -m
-a -t [2001:db8::1]:80 -r [2001:db8:1::12] -m
-a -t [2001:db8::1]:80 -r 10.1.0.11:80 -m
-A -u [2001:db8::1]:0 -s rr -p
-a -u [2001:db8::1]:0 -r 10.1.0.11 -i --tun-type gue --tun-port 6080 --tun-csum
-a -u [2001:db8::1]:0 -r [2001:db8:1::13] -i --tun-type gre --tun-nocsum
-a -u [2001:db8::1]:0 -r 10.1.0.12 -i --tun-type gue";
    let (text, checked) = imported(&ipvsadm::read(rules));
    let [web, any] = &checked.config.services[..] else {
        panic!("{text}")
    };
    assert_eq!(web.name, "tcp-2001:db8::1.80");
    let backends = web.backends.iter().map(|one| one.address.to_string());
    assert_eq!(
        backends.collect::<Vec<_>>(),
        ["[2001:db8:1::11]:8080", "[2001:db8:1::12]:80"]
    );
    assert_eq!(any.key().to_string(), "[2001:db8::1]:*");
    for part in [
        "forward: Nat, scheduler: rr, persistence: (timeout: \"60s\", mask: 64),",
        "forward: Tun, scheduler: rr, persistence: (timeout: \"300s\", mask: 128),",
        "address: \"10.1.0.11\", tunnel: Gue(port: 6080, checksum: Full)),",
        "address: \"2001:db8:1::13\", tunnel: Gre()),",
        "// 10.1.0.12:0, weight 1: left out, a GUE tunnel without its port",
        "                // 10.1.0.11:80, weight 1: left out, of another family than its service",
        "addresses: [\"10.1.0.254/24\", \"2001:db8::fffe/64\", \"2001:db8:1::fffe/64\"],",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn virtual_servers_become_services() {
    let text = r#"
global_defs { lvs_timeouts tcp 300 udp 60
  router_id R }
$POOL=10.1.0
vrrp_instance VI_1 {
    interface eth0
}
virtual_server_group G {
    192.0.2.3-5 80
    2001:db8::e-10 80
    fwmark 3
}
virtual_server 2001:db8::9 53 {
    protocol UDP
    lb_kind DR
    real_server 2001:db8:1::9 53 { weight 3 }
}
virtual_server group G {
    lb_algo wrr
    lb_kind DR
    protocol TCP
    real_server ${POOL}.11 80 { weight 5 }
    real_server $POOL.12 80
    {
        TCP_CHECK { connect_timeout 3 }
        notify_up "/bin/echo } {"
    }
}
@a virtual_server 192.0.2.9 53 { protocol UDP
@b virtual_server 192.0.2.10 53 { protocol UDP
  lb_kind NAT
  real_server 10.1.0.13 5353 { lvs_method DR
  } }
"#;
    let (written, checked) = imported(&keepalived::read(text, Some("b")));
    let services = &checked.config.services;
    let shown: Vec<String> = services
        .iter()
        .map(|s| format!("{} {} {:?}", s.name, s.scheduler.name, s.forward))
        .collect();
    assert_eq!(
        shown,
        [
            "udp-2001:db8::9.53 wlc Dr",
            "tcp-192.0.2.3:80 wrr Dr",
            "tcp-192.0.2.4:80 wrr Dr",
            "tcp-192.0.2.5:80 wrr Dr",
            "tcp-2001:db8::e.80 wrr Dr",
            "tcp-2001:db8::f.80 wrr Dr",
            "tcp-2001:db8::10.80 wrr Dr",
            "udp-192.0.2.10:53 wlc Dr",
        ]
    );
    assert_eq!(services[0].backends[0].weight, 3);
    assert_eq!(services[1].backends[0].weight, 5);
    assert_eq!(services[1].backends[1].address.to_string(), "10.1.0.12:80");
    assert_eq!(checked.config.timeouts.udp_ms(), 60_000);
    for comment in [
        "// line 5: vrrp_instance VI_1: write it in `groups`, see docs/groups.md",
        "// line 11: fwmark 3: left out, a mark names no address; write what it marks",
        "// line 25: TCP_CHECK: write it as `health`, see docs/health.md",
        "// line 26: notify_up /bin/echo } {: no counterpart",
        "// line 29: left out, it is for --config-id a",
        "// was 10.1.0.13:5353; without NAT ports stay",
    ] {
        assert!(written.contains(comment), "{comment}\n{written}");
    }
}

/// The files that Debian's packages bring; `scripts/install.sh` installs them.
#[test]
fn the_samples_of_the_packages_pass_the_check() {
    let folder = Path::new("/usr/share/doc/keepalived/samples");
    let files = fs::read_dir(folder).expect("scripts/install.sh installs keepalived");
    let mut services = 0;
    let mut read = 0;
    for file in files {
        let path = file.unwrap().path();
        if !path.to_string_lossy().contains("keepalived.conf") {
            continue;
        }
        let text = text_of(&path).unwrap();
        let (written, checked) = imported(&keepalived::read(&text, None));
        let (found, kept) = (
            text.lines()
                .filter(|l| l.trim_start().starts_with("virtual_server "))
                .count(),
            written.matches("virtual_server ").count() + checked.config.services.len(),
        );
        assert!(
            kept >= found,
            "{}: {found} went in\n{written}",
            path.display()
        );
        services += checked.config.services.len();
        read += 1;
    }
    assert!(
        read > 15 && services > 15,
        "{read} files, {services} services"
    );
    let rules = text_of(Path::new("/etc/ipvsadm.rules")).expect("ipvsadm is installed");
    imported(&ipvsadm::read(&rules));
}

#[test]
fn nothing_that_stands_in_a_foreign_file_leaves_its_comment() {
    let text =
        "virtual_server 192.0.2.1 80 {\n real_server 10.0.0.1 80 {\n \"x\u{2028}(\" y\n }\n}";
    imported(&keepalived::read(text, None));
    let (_, checked) = imported(&ipvsadm::read("-A -t 192.0.2.1:80 --pe (\u{7f}"));
    assert_eq!(checked.config.services.len(), 1);
}
