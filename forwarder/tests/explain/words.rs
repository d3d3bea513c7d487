//! What is said in words.

use weir::snapshot::WorkerIx;

use super::*;

#[test]
fn sessions_and_orders_are_told_in_words() {
    let mut asked = Asked::new(3, Arms::Two, "rr");
    let flow = |text: &str| -> Flow { text.parse().unwrap() };
    let web = flow("tcp 192.0.2.9:40000 192.0.2.100:80");
    let said = asked.explain(&web);
    let worker = said.worker.unwrap();
    assert_eq!(
        line(&said, "session").unwrap(),
        format!(
            "none yet; this packet begins one with worker {worker} of 3; what comes before a SYN \
             is answered, reset"
        )
    );
    assert_eq!(
        line(&said, "scheduler").unwrap(),
        format!("rr: b2 is the next in the order of worker {worker}")
    );

    asked.feed(0, &packet(&said, 0));
    asked.rig.pass_ms(1000);
    let said = asked.explain(&web);
    assert_eq!(said.packet, "TCP ACK");
    assert_eq!(said.session.as_ref().unwrap().state, "SYN_RECV");
    assert_eq!(
        line(&said, "session").unwrap(),
        format!(
            "SYN_RECV, 00:59 left with worker {worker} of 3: it decides, no scheduler is asked"
        )
    );
    assert_eq!(line(&said, "scheduler"), None);
    assert_eq!(
        line(&said, "backend").unwrap(),
        "b2: 10.1.0.13:8080, weight 2"
    );

    let answer = asked.explain(&flow("tcp 10.1.0.13:8080 192.0.2.9:40000"));
    assert_eq!(answer.worker, Some(worker));
    assert_eq!(
        line(&answer, "service").unwrap(),
        "10.1.0.13:8080 is a backend of web, web-too, so this may be an answer"
    );
    assert_eq!(
        line(&answer, "session").unwrap(),
        format!(
            "SYN_RECV, 00:59 left with worker {worker} of 3: an answer to 192.0.2.9:40000 for \
             192.0.2.100:80"
        )
    );
    assert_eq!(
        line(&answer, "rewrite").unwrap(),
        "source 10.1.0.13:8080 becomes 192.0.2.100:80; TTL 64 becomes 63"
    );

    let client = spec(0, "192.0.2.9:40000", "192.0.2.100:80");
    asked.feed(0, &client.tcp("A"));
    asked.feed(0, &client.tcp("R"));
    let said = asked.explain(&web);
    assert_eq!(
        line(&said, "session").unwrap(),
        format!(
            "CLOSE, 00:10 left with worker {worker} of 3: over, so this packet begins another; \
             others go on to 10.1.0.13:8080"
        )
    );
}

#[test]
fn filters_are_told_with_the_prefix_that_decides() {
    for (filter, told, takes) in [
        (
            r#"allow: ["192.0.2.0/24"], deny: ["192.0.2.8/31"]"#,
            "192.0.2.9 may not come by `deny` 192.0.2.8/31",
            false,
        ),
        (
            r#"allow: ["192.0.2.9/32"], deny: ["192.0.2.8/31"]"#,
            "192.0.2.9 may come by `allow` 192.0.2.9/32",
            true,
        ),
        (
            r#"allow: ["10.0.0.0/8"], denied: Answer"#,
            "192.0.2.9 is in no prefix of `allow`, so it may not come",
            false,
        ),
        (
            r#"deny: ["10.0.0.0/8"]"#,
            "192.0.2.9 is in no prefix of `deny`",
            true,
        ),
    ] {
        let scheduler = format!("rr, source_filter: ({filter})");
        let mut asked = Asked::new(2, Arms::Two, &scheduler);
        let web = "tcp 192.0.2.9:40000 192.0.2.100:80".parse().unwrap();
        let said = asked.explain(&web);
        hold(&mut asked, &web);
        let service = line(&said, "service").unwrap();
        assert!(service.ends_with(told), "{service}");
        assert_eq!(said.new_session, takes, "{filter}");
        assert_eq!(line(&said, "scheduler").is_some(), takes, "{filter}");
        let reason = match (takes, filter.contains("Answer")) {
            (true, _) => None,
            (false, true) => Some("reset"),
            (false, false) => Some("source_denied"),
        };
        assert_eq!(said.reason.as_deref(), reason, "{filter}");
    }
}

/// Two services share backends, so that clients who begin anew find their flows taken.
#[test]
fn clients_that_begin_anew_are_explained_too() {
    let mut runner = TestRunner::deterministic();
    let vips = select(vec!["192.0.2.100:80", "192.0.2.101:80"]);
    let steps = (1024_u16..1034, vips, select(vec!["S", "R"]));
    let mut seen = BTreeMap::<String, String>::new();
    for scheduler in ["rr", "wlc"] {
        let mut asked = Asked::new(1, Arms::Two, scheduler);
        for _ in 0..400 {
            let (port, vip, flags) = steps.new_tree(&mut runner).unwrap().current();
            let client = format!("192.0.2.9:{port}");
            asked.feed(0, &spec(0, &client, vip).tcp(flags));
            let flow = format!("tcp {client} {vip}").parse().unwrap();
            let said = asked.explain(&flow);
            let what = hold(&mut asked, &flow);
            seen.insert(what, line(&said, "session").unwrap());
        }
    }
    let begins = &seen["over Forward None"];
    assert!(
        begins.contains(": over, so this packet begins another; others go on to "),
        "{begins}"
    );
    let taken = &seen["over, none Drop Some(\"flow_taken\")"];
    assert!(
        taken.contains(": over, and none can begin: what "),
        "{taken}"
    );
}

/// Each worker sees its own connections at once, and those of the others after some milliseconds.
#[test]
fn connections_are_told_as_the_owner_sees_them() {
    let mut asked = Asked::new(2, Arms::Two, "wlc");
    let flows = |number: u8, asked: &Asked| -> Vec<Flow> {
        let snapshot = asked.rig.manager.snapshot();
        let flows = (1024..2024).map(|port| {
            let text = format!("tcp 192.0.2.9:{port} 192.0.2.100:80");
            text.parse().unwrap()
        });
        let owned = |flow: &Flow| owner(&snapshot, flow) == Some(WorkerIx(number));
        flows.filter(owned).collect()
    };
    let (first, second) = (flows(0, &asked), flows(1, &asked));
    let scheduler = |asked: &mut Asked, flow| line(&asked.explain(flow), "scheduler").unwrap();
    for flow in &first[..4] {
        let said = asked.explain(flow);
        asked.feed(0, &packet(&said, 0));
    }
    // The weights are 1, 1 and 2.
    assert_eq!(
        scheduler(&mut asked, &first[4]),
        "wlc: b2 has the fewest connections for its weight, 2 active and 0 inactive as worker 0 \
         sees it"
    );
    assert_eq!(
        scheduler(&mut asked, &second[0]),
        "wlc: b2 has the fewest connections for its weight, 0 active and 0 inactive as worker 1 \
         sees it"
    );
    asked.rig.pass_ms(10);
    asked.rig.settle();
    for _ in 0..2 {
        let said = asked.explain(&second[0]);
        assert_eq!(
            line(&said, "scheduler").unwrap(),
            "wlc: b2 has the fewest connections for its weight, 2 active and 0 inactive as worker \
             1 sees it"
        );
    }
}

#[test]
fn why_nobody_is_chosen_is_told_in_words() {
    let mut asked = Asked::new(1, Arms::Two, "first");
    for port in 1024..1028 {
        let client = format!("192.0.2.9:{port}");
        asked.feed(0, &spec(0, &client, "192.0.2.100:80").tcp("S"));
    }
    let said = asked.explain(&"tcp 192.0.2.9:9 192.0.2.100:80".parse().unwrap());
    assert_eq!(
        line(&said, "scheduler").unwrap(),
        "first: every backend has as many active connections as its weight; the answer is \
         port_unreachable"
    );
}

#[test]
fn whose_answers_are_taken_is_told_in_words() {
    let mut asked = Asked::new(1, Arms::Two, "rr");
    asked.feed(0, &spec(0, "192.0.2.9:40000", "192.0.2.100:80").tcp("S"));
    // The other service with the same backends begins with the same.
    let flow = |text: &str| -> Flow { text.parse().unwrap() };
    let too = asked.explain(&flow("tcp 192.0.2.9:40000 192.0.2.101:80"));
    assert_eq!(too.reason.as_deref(), Some("flow_taken"));
    assert_eq!(
        line(&too, "session").unwrap(),
        "none, and none can begin: what 10.1.0.13:8080 answers to 192.0.2.9:40000 goes to that of \
         192.0.2.100:80"
    );
    assert_eq!(
        line(&too, "verdict").unwrap(),
        "drop: flow_taken, the client already reaches this backend from the same port, by another \
         service"
    );
}

#[test]
fn a_full_table_is_told_of() {
    let text =
        config(1, Arms::Two, "rr").replace("sessions_per_worker: 1024", "sessions_per_worker: 8");
    let mut asked = Asked::of(&text, Arms::Two);
    for port in 1024..1032 {
        let client = format!("192.0.2.9:{port}");
        asked.feed(0, &spec(0, &client, "192.0.2.100:80").tcp("S"));
    }
    let said = asked.explain(&"tcp 192.0.2.9:9 192.0.2.100:80".parse().unwrap());
    let session = line(&said, "session").unwrap();
    assert!(
        session.ends_with("The table is full: another has to go for it, or it is table_full"),
        "{session}"
    );
}
