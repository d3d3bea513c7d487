//! What the doctor finds, for tests.

use crate::control::views::{Examination, Fault, Finding};

/// A backend of NAT without the way back.
pub(crate) fn examination() -> Examination {
    Examination {
        backends: 2,
        not_looked_at: 1,
        findings: vec![Finding {
            service: "web".to_owned(),
            backend: Some("web1".to_owned()),
            fault: Fault::Gateway,
            what: "its default gateway is not the director, so clients get no answers".to_owned(),
            evidence: "nothing comes back".to_owned(),
            advice: "ip route replace default via 10.10.0.1".to_owned(),
        }],
    }
}
