//! The text that Prometheus and its relatives read.
//!
//! Written here, since the well-kept crate for it (`prometheus-client`) speaks `OpenMetrics` alone,
//! which promtool and older scrapers do not read. See
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::{Display, Write};

/// What the text is called in HTTP.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a metric does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Goes up only, and begins at zero with the program.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// The text as it is being written.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// Begins a metric, whose samples follow. `help` is a sentence.
    pub(super) fn metric(&mut self, kind: Kind, name: &'static str, help: &str) -> Samples<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.put(format_args!(
            "# HELP weir_{name} {help}\n# TYPE weir_{name} {kind}\n"
        ));
        Samples { text: self, name }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    fn put(&mut self, what: std::fmt::Arguments<'_>) {
        self.0.write_fmt(what).expect("a String takes any text");
    }
}

/// The samples of one metric.
pub(super) struct Samples<'a> {
    text: &'a mut Text,
    name: &'static str,
}

impl Samples<'_> {
    /// Adds a sample.
    pub(super) fn add(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let Self { text, name } = self;
        text.put(format_args!("weir_{name}"));
        let mut begin = '{';
        for (label, content) in labels {
            text.put(format_args!("{begin}{label}=\"{}\"", escaped(content)));
            begin = ',';
        }
        let end = if labels.is_empty() { "" } else { "}" };
        text.put(format_args!("{end} {value}\n"));
    }
}

/// A label's value as it stands between quotes.
fn escaped(content: &str) -> std::borrow::Cow<'_, str> {
    if content.contains(['\\', '"', '\n']) {
        let content = content.replace('\\', r"\\").replace('"', "\\\"");
        content.replace('\n', "\\n").into()
    } else {
        content.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_follow_their_metric_and_labels_are_escaped() {
        let mut text = Text::default();
        let mut samples = text.metric(Kind::Counter, "drops_total", "Frames dropped.");
        samples.add(&[("reason", "a"), ("worker", "0")], 7_u64);
        samples.add(&[("reason", "say \"\\n\"\n"), ("worker", "1")], 8_u64);
        text.metric(Kind::Gauge, "load", "A share.").add(&[], 0.5);
        let expected = r#"# HELP weir_drops_total Frames dropped.
# TYPE weir_drops_total counter
weir_drops_total{reason="a",worker="0"} 7
weir_drops_total{reason="say \"\\n\"\n",worker="1"} 8
# HELP weir_load A share.
# TYPE weir_load gauge
weir_load 0.5
"#;
        assert_eq!(text.finish(), expected);
    }
}
