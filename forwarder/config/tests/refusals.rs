use super::*;

#[test]
fn each_problem_is_named_with_its_place_and_what_would_be_right() {
    let cases = include_str!("refusals.txt").split("\n\n");
    let mut failed = Vec::new();
    for case in cases {
        let mut text = BASE.to_owned();
        let mut expected = Vec::new();
        let mut from = "";
        for line in case.lines().filter(|line| !line.starts_with('#')) {
            if let Some(piece) = line.strip_prefix("- ") {
                assert_eq!(
                    text.matches(piece).count(),
                    1,
                    "`{piece}` stands there once"
                );
                from = piece;
            } else if let Some(to) = line.strip_prefix('+') {
                text = text.replacen(from, to.trim_start(), 1);
            } else {
                expected.push(line);
            }
        }
        let found = parsed(&text).map_or_else(|refused| refused.to_string(), |_| String::new());
        if found != expected.join("\n") {
            failed.push(format!("{case}\nbut found:\n{found}\n\n"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.concat());
}

fn refusal(text: &str) -> String {
    parsed(text).unwrap_err().to_string()
}

#[test]
fn what_is_no_configuration_at_all_is_refused() {
    let group = "expected a configuration in `(` and `)`, found";
    assert_eq!(refusal(""), format!("f:1:1: {group} the end of the file"));
    assert_eq!(refusal("x"), format!("f:1:1: {group} `x`"));
    assert_eq!(refusal("[]"), format!("f:1:1: {group} `[]`"));
    assert_eq!(
        refusal("(/*"),
        "f:1:4: Unclosed block comment, found the end of the file"
    );
    assert_eq!(
        refusal("()x"),
        "f:1:3: Non-whitespace trailing characters, found `x`"
    );
}

#[test]
fn what_must_be_there_is_named_with_an_example() {
    assert_eq!(
        refusal("()"),
        "f:1:1: no workers; write `dpdk: (workers: [1])`\n\
         f:1:1: no ports; write `ports: [(name: \"wan\", device: Pci(\"0000:3b:00.0\"), \
         addresses: [\"192.0.2.2/24\"])]`"
    );
}

#[test]
fn no_more_workers_than_slots() {
    let workers = |count: u16| {
        let cores: Vec<String> = (1..=count).map(|core| core.to_string()).collect();
        parsed(&with("[1, 2]", &format!("[{}]", cores.join(", "))))
    };
    assert_eq!(workers(256).unwrap().config.dpdk.workers.len(), 256);
    let refused = workers(257).unwrap_err().to_string();
    assert_eq!(refused, "f:2:1194: 257 workers; at most 256 can own slots");
}

#[test]
fn no_more_ports_than_dpdk_opens() {
    let ports: Vec<String> = (0..31)
        .map(|n| {
            format!(
                "(name: \"p{n}\", device: Vdev(\"net_null_{n}\"), \
                 addresses: [\"10.3.{n}.1/24\"]),\n"
            )
        })
        .collect();
    let refused = refusal(&with("ports: [", &format!("ports: [{}", ports.concat())));
    assert_eq!(refused, "f:36:9: 33 ports; at most 32 can be opened");
}

#[test]
fn no_more_backends_than_numbers_for_them() {
    let backends: Vec<String> = (0..65_534)
        .map(|n| {
            let (high, low) = (n / 256, n % 256);
            format!("(name: \"b{n}\", address: \"10.2.{high}.{low}:80\"),\n")
        })
        .collect();
    let refused = refusal(&with(
        "backends: [",
        &format!("backends: [{}", backends.concat()),
    ));
    assert_eq!(
        refused,
        "f:9:15: 65536 backends, but `tables` has room for 16384; \
         write `tables: (backends: 65536)` or more\n\
         f:11:35: at most 65535 backends are possible in one service"
    );
}
