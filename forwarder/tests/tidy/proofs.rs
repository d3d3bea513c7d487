//! Each rule against what breaks it: a rule that finds nothing would hold nothing.

use super::{
    assert_none, documents, lint_faults, rooms,
    source::{Source, Text},
    text_faults, unsafe_faults,
};

/// Where, what, and the fault that it is.
const BROKEN: &[[&str; 3]] = &[
    [
        "forwarder/path/own.rs",
        "use crate::{io, control::Clock};",
        "path must not see control",
    ],
    [
        "forwarder/wire/arp.rs",
        "fn f(x: crate::io::PortIx) {}",
        "wire must not see io",
    ],
    [
        "forwarder/path/own.rs",
        "use super::super::config;",
        "write `crate::…`",
    ],
    [
        "forwarder/io/mod.rs",
        "use super::config;",
        "leaves the room",
    ],
    [
        "forwarder/path/own.rs",
        "fn f() { tokio::spawn(x) }",
        "does without the crate",
    ],
    [
        "sched/src/key.rs",
        "use std::{time::Duration};",
        "std::time has no place",
    ],
    [
        "forwarder/session/key.rs",
        "use std::sync::{Arc, Mutex};",
        "Mutex has no place",
    ],
    [
        "forwarder/path/own.rs",
        "fn run() { let a = vec![1]; }",
        "`vec` allocates",
    ],
    [
        "forwarder/path/worker.rs",
        "fn turn() { Box::new(1); }",
        "`Box` allocates",
    ],
    [
        "forwarder/path/own.rs",
        "struct A { b: Vec<u8> }",
        "`Vec` allocates",
    ],
    [
        "forwarder/path/own.rs",
        "fn run() { a.unwrap(); }",
        "`unwrap` can panic",
    ],
    [
        "forwarder/config/mod.rs",
        "use dpdk_sys::rte_mbuf;",
        "only forwarder/dpdk/",
    ],
    [
        "forwarder/control/manager.rs",
        "use anyhow::Result;",
        "anyhow is for the edge",
    ],
    [
        "forwarder/control/idle.rs",
        "use std::time::Instant;",
        "the clock is read in",
    ],
    [
        "forwarder/control/manager.rs",
        "type F = Manager<Mbuf>;",
        "through io's traits",
    ],
];

/// What breaks no rule.
const WHOLE: &[[&str; 2]] = &[
    [
        "forwarder/path/own.rs",
        "use crate::{io::PortIx, snapshot::{Hop, Via}};",
    ],
    [
        "forwarder/path/own.rs",
        "#[cfg(test)] mod tests { fn f() { vec![1].to_vec(); } }",
    ],
    [
        "forwarder/path/worker.rs",
        "struct A { b: Box<u8> } fn new() { Box::new(1); }",
    ],
    [
        "forwarder/path/own.rs",
        "/// As a `Vec` of crate::control.\nfn run() {}",
    ],
];

#[test]
fn each_rule_finds_what_breaks_it() {
    let crates: Vec<String> = ["tokio", "sched", "dpdk_sys"].map(str::to_owned).into();
    for [path, text, fault] in BROKEN {
        let faults = rooms::faults(&parse(path, text), &crates);
        assert!(
            faults.iter().any(|found| found.contains(fault)),
            "{text}: {faults:?}"
        );
    }
    for [path, text] in WHOLE {
        assert_none(&rooms::faults(&parse(path, text), &crates));
    }
}

#[test]
fn each_rule_of_texts_finds_what_breaks_it() {
    let block = "fn f() {\n    // SAFETY: it is.\n    let a =\n        unsafe { b() };\n}";
    assert_none(&unsafe_faults(&parse("forwarder/mem/a.rs", block)));
    assert_eq!(unsafe_faults(&parse("forwarder/path/a.rs", block)).len(), 1);
    let bare = block.replace("SAFETY: ", "");
    assert_eq!(unsafe_faults(&parse("forwarder/mem/a.rs", &bare)).len(), 1);

    let allow = concat!("#[", "allow(dead_code)]\nfn f() {}");
    assert_eq!(lint_faults(&parse("forwarder/a.rs", allow)).len(), 1);
    let reasoned = allow.replace("code)", "code, reason = \"some builds use it\")");
    assert_none(&lint_faults(&parse("forwarder/a.rs", &reasoned)));

    let text = |text: &str| {
        text_faults(&Text {
            path: "a.sh".into(),
            text: text.into(),
        })
    };
    assert_none(&text("echo $own/root/lib\n"));
    for fault in [
        "echo",
        "echo \n",
        concat!("# TO", "DO\n"),
        concat!("ls /wo", "rk/x\n"),
    ] {
        assert_eq!(text(fault).len(), 1, "{fault}");
    }
    assert_eq!(text(&format!("{}\n", "é".repeat(101))).len(), 1);
    assert_none(&text(&format!("{}\n", "é".repeat(100))));
}

#[test]
fn each_rule_of_documents_finds_what_breaks_it() {
    let file = |path: &str, text: &str| Text {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let with = |text: &str| {
        let files = [
            file("docs/a.md", text),
            file("forwarder/b.rs", "fn holds() {}"),
        ];
        documents::link_faults(&files)
    };
    assert_none(&with(
        "[b](../forwarder/b.rs#x), `forwarder/b.rs::holds`, `forwarder/`, `a b`",
    ));
    for text in ["[c](c.rs)", "`forwarder/c.rs`", "`forwarder/b.rs::falls`"] {
        assert_eq!(with(text).len(), 1, "{text}");
    }
    let seeds = |rows: &str| documents::seed_faults(&[file("docs/seeds.md", rows)]);
    let all: Vec<String> = (1..=80).map(|row| format!("| {row} | a | b |")).collect();
    assert_none(&seeds(&all.join("\n")));
    assert_eq!(seeds(&all[1..].join("\n")).len(), 1);
    let rooms = |text: &str| documents::room_faults(&[file("ARCHITECTURE.md", text)]);
    assert_eq!(
        rooms("| `wire/` | w | nobody |").len(),
        rooms::ROOMS.len() - 1
    );
    assert_eq!(rooms("| `wire/` | w | io |").len(), rooms::ROOMS.len());
}

#[test]
fn code_is_counted_without_comments_and_tests() {
    let text = "//! Head.\n\n/// Doc.\nfn f() {\n    // Why.\n    g();\n}\n\n\
                #[cfg(test)]\nmod tests {\n    fn t() {}\n}\n";
    assert_eq!(parse("forwarder/a.rs", text).code_lines, 3);
}

fn parse(path: &str, text: &str) -> Source {
    Source::parse(&Text {
        path: path.to_owned(),
        text: text.to_owned(),
    })
}
