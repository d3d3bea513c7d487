//! What is said of a server's tunnel, and what goes with which kind of it.

use super::{Said, words::Words};
use crate::{
    config::{GueChecksum, Tunnel},
    control::views::Forward,
};

/// The tunnel of a server that is reached by `forward`, in the words of ipvsadm's own refusals.
pub(super) fn of(words: &Words, forward: Forward) -> Result<Tunnel, Said> {
    let checksums = [
        ("tun-nocsum", words.tun_nocsum),
        ("tun-csum", words.tun_csum),
        ("tun-remcsum", words.tun_remcsum),
    ];
    let given: Vec<&str> = checksums
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect();
    let any = words.tun_type.is_some() || words.tun_port.is_some() || !given.is_empty();
    if any && forward != Forward::Tunnel {
        return Err(Said::usage("Tunnel options conflict with forward method"));
    }
    let kind = words.tun_type.as_deref().unwrap_or("ipip");
    let port = words.tun_port.as_deref();
    let (port_fits, most_fit) = match kind {
        "ipip" => (false, 0),
        "gre" => (false, 2),
        "gue" => (true, 3),
        _ => return Err(Said::usage("illegal tunnel type specified")),
    };
    let illegal = |option: &str| {
        let text = format!("Illegal '{option}' option with the '{kind}' tunnel type");
        Said::usage(text)
    };
    if port.is_some() && !port_fits {
        return Err(illegal("tun-port"));
    }
    if port.is_none() && port_fits {
        let text = format!("You need to supply the 'tun-port' option for the '{kind}' tunnel type");
        return Err(Said::usage(text));
    }
    let (fit, others) = checksums.split_at(most_fit);
    if let Some((option, _)) = others.iter().find(|(_, given)| *given) {
        return Err(illegal(option));
    }
    if let [first, second, ..] = *given {
        return Err(Said::usage(format!(
            "The option '{second}' conflicts with the '{first}' option in the '{kind}' tunnel type"
        )));
    }
    let checksum = fit.iter().position(|(_, given)| *given);
    let checksum = match checksum {
        Some(2) => GueChecksum::Remote,
        Some(1) => GueChecksum::Full,
        _ => GueChecksum::Off,
    };
    Ok(match port {
        Some(port) => Tunnel::Gue {
            port: number(port)?,
            checksum,
        },
        None if kind == "gre" => Tunnel::Gre {
            checksum: checksum == GueChecksum::Full,
        },
        None => Tunnel::Ipip,
    })
}

/// The tunnel as a configuration has it; nothing for the usual one.
pub(in crate::cli) fn written(tunnel: Tunnel) -> Option<String> {
    Some(match tunnel {
        Tunnel::Ipip => return None,
        Tunnel::Gre { checksum: false } => "Gre()".to_owned(),
        Tunnel::Gre { checksum: true } => "Gre(checksum: Full)".to_owned(),
        Tunnel::Gue { port, checksum } => match checksum {
            GueChecksum::Off => format!("Gue(port: {port})"),
            GueChecksum::Full => format!("Gue(port: {port}, checksum: Full)"),
            GueChecksum::Remote => format!("Gue(port: {port}, checksum: Remote)"),
        },
    })
}

fn number(text: &str) -> Result<u16, Said> {
    let number = text.parse().ok().filter(|port| *port > 0);
    number.ok_or_else(|| Said::usage("illegal tunnel port specified"))
}
