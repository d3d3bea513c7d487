//! Where the running program is asked.

use std::{net::SocketAddr, path::PathBuf};

use super::{problem::Problems, raw, raw::Text, written::Written};

/// Where the running program is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// The unix socket, an absolute path.
    pub socket: PathBuf,
    /// Where it may be read over the host's network too.
    pub tcp: Option<ApiTcp>,
}

/// Where the API may be read, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiTcp {
    /// An address of the host and a port.
    pub listen: SocketAddr,
    /// The file that holds the token, an absolute path.
    pub token_file: PathBuf,
}

/// The unix socket unless the configuration names another.
pub const DEFAULT_SOCKET: &str = "/run/weir/weir.sock";

/// What the `sun_path` of a socket's address holds, less its final zero.
const MAX_SOCKET_PATH: usize = 107;

impl Api {
    pub(super) fn read<'a>(
        written: Option<Written<'a, raw::Api<'a>>>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let raw = match written {
            Some(written) => written.read(
                "a group such as `(socket: \"/run/weir/weir.sock\")`",
                problems,
            )?,
            None => raw::Api::default(),
        };
        let socket = match raw.socket {
            Some(written) => socket(written, problems),
            None => Some(PathBuf::from(DEFAULT_SOCKET)),
        };
        let tcp = match raw.tcp {
            Some(written) => ApiTcp::read(written, problems).map(Some),
            None => Some(None),
        };
        Some(Self {
            socket: socket?,
            tcp: tcp?,
        })
    }
}

impl ApiTcp {
    fn read<'a>(
        written: Written<'a, raw::ApiTcp<'a>>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let what =
            "a group such as `(listen: \"127.0.0.1:9180\", token_file: \"/etc/weir/token\")`";
        let raw = written.read(what, problems)?;
        let listen = listen(raw.listen, problems);
        let token_file = token_file(raw.token_file, problems);
        Some(Self {
            listen: listen?,
            token_file: token_file?,
        })
    }
}

fn socket<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<PathBuf> {
    let path = written.read("a path in quotes", problems)?;
    let wrong = if !is_absolute(&path) {
        format!("`{path}` is no absolute path of a socket; write one like `/run/weir.sock`")
    } else if path.len() > MAX_SOCKET_PATH {
        let octets = path.len();
        format!("`{path}` has {octets} octets; a socket's path has at most {MAX_SOCKET_PATH}")
    } else {
        return Some(PathBuf::from(path));
    };
    problems.refuse(written.text(), wrong);
    None
}

fn listen<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<SocketAddr> {
    let text = written.read("an address and port in quotes", problems)?;
    match text.parse::<SocketAddr>() {
        Ok(listen) if listen.port() != 0 => Some(listen),
        _ => {
            let wrong = format!(
                "`{text}` is no address of the host with a port; write one like `127.0.0.1:9180`"
            );
            problems.refuse(written.text(), wrong);
            None
        }
    }
}

fn token_file<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<PathBuf> {
    let path = written.read("a path in quotes", problems)?;
    if is_absolute(&path) {
        return Some(PathBuf::from(path));
    }
    let wrong = format!("`{path}` is no absolute path of a file; write one like `/etc/weir/token`");
    problems.refuse(written.text(), wrong);
    None
}

pub(super) fn is_absolute(path: &str) -> bool {
    path.starts_with('/') && !path.ends_with('/') && !path.contains('\0')
}
