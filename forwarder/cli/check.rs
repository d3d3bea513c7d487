//! `weir check FILE`: would this configuration be taken?

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use crate::{
    config::{Checked, Config},
    control::refused_programs,
};

/// Checks the configuration in `file`: what is wrong goes to stderr, a line each, and so do
/// warnings; success to stdout. Fails where the configuration would be refused.
pub fn run(file: &Path) -> ExitCode {
    match check(file, &mut io::stdout().lock(), &mut io::stderr().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

fn check(file: &Path, out: &mut impl Write, err: &mut impl Write) -> io::Result<bool> {
    let Checked { config, warnings } = match Checked::load(file) {
        Ok(checked) => checked,
        Err(refused) => {
            writeln!(err, "{refused}")?;
            return Ok(false);
        }
    };
    for warning in warnings {
        writeln!(err, "warning: {warning}")?;
    }
    for program in refused_programs(&config) {
        writeln!(err, "warning: {program}")?;
    }
    writeln!(out, "{}: ok, {}", file.display(), summary(&config))?;
    Ok(true)
}

fn summary(config: &Config) -> String {
    let backends = config.services.iter().map(|service| service.backends.len());
    [
        counted(config.ports.len(), "port"),
        counted(config.services.len(), "service"),
        counted(backends.sum(), "backend"),
    ]
    .join(", ")
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;

    /// Whether `text` is taken, and what is printed to stdout and stderr of a file named FILE.
    fn checked(name: &str, text: &str) -> (bool, String, String) {
        let path = env::temp_dir().join(format!("weir-check-{}-{name}.ron", process::id()));
        fs::write(&path, text).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let taken = check(&path, &mut out, &mut err).unwrap();
        fs::remove_file(&path).unwrap();
        let shown = |octets| {
            let text = String::from_utf8(octets).unwrap();
            text.replace(&path.display().to_string(), "FILE")
        };
        (taken, shown(out), shown(err))
    }

    const PORTS: &str = r#"ports: [(
        name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"],
    )]"#;

    #[test]
    fn what_is_right_is_counted() {
        let text = format!("(dpdk: (workers: [1], main_core: 0), {PORTS})");
        let (taken, out, _) = checked("right", &text);
        assert!(taken);
        assert_eq!(out, "FILE: ok, 1 port, 0 services, 0 backends\n");
    }

    #[test]
    fn what_is_doubtful_is_taken_with_a_warning() {
        let text = format!("(dpdk: (workers: [0]), {PORTS})");
        let (taken, out, err) = checked("doubtful", &text);
        assert!(taken);
        assert_eq!(out, "FILE: ok, 1 port, 0 services, 0 backends\n");
        assert_eq!(
            err,
            "warning: FILE:1:19: core 0 is `main_core` too; the management thread will take time \
             from this worker\n"
        );
    }

    #[test]
    fn a_program_that_this_machine_would_not_run_is_doubtful() {
        let notify = r#"checks: (notify: (command: ["/nowhere/notify"]))"#;
        let text = format!("(dpdk: (workers: [1], main_core: 0), {PORTS}, {notify})");
        let (taken, _, err) = checked("program", &text);
        assert!(taken);
        assert_eq!(
            err,
            "warning: /nowhere/notify: No such file or directory (os error 2)\n"
        );
    }

    #[test]
    fn what_is_wrong_is_named_in_full() {
        let (taken, out, err) = checked("wrong", "(dpdk: (workers: []))");
        assert!(!taken);
        assert_eq!(out, "");
        let lines: Vec<&str> = err.lines().collect();
        assert_eq!(lines.len(), 2, "{err}");
        assert!(lines[0].starts_with("FILE:1:1: no ports; "), "{err}");
        assert!(lines[1].starts_with("FILE:1:18: no workers; "), "{err}");
    }

    #[test]
    fn a_file_without_end_fails() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert!(!check(Path::new("/dev/zero"), &mut out, &mut err).unwrap());
        assert_eq!(
            String::from_utf8(err).unwrap(),
            "/dev/zero: cannot be read: it is larger than 16 MiB\n"
        );
    }

    #[test]
    fn a_file_that_is_not_there_fails() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let taken = check(Path::new("/nonexistent/weir.ron"), &mut out, &mut err).unwrap();
        assert!(!taken);
        let err = String::from_utf8(err).unwrap();
        assert!(
            err.starts_with("/nonexistent/weir.ron: cannot be read: No such file"),
            "{err}"
        );
    }
}
