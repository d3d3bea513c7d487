//! The API over TCP: for reading only, and for those who know the token.

use std::{fs, io, net::SocketAddr, os::unix::fs::MetadataExt, path::PathBuf, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{
        Method,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::net::TcpListener;

use super::{refusal::Refusal, router::CONFIGURATION};
use crate::config::ApiTcp;

/// Characters that a token has at least: fewer can be guessed.
const TOKEN_LENGTH: usize = 16;

/// Why there is no door.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file with the token cannot be read.
    #[error("api.tcp.token_file: cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than its owner could read the token.
    #[error(
        "api.tcp.token_file: {} has mode {mode:03o}, so others may read it; chmod 600 {}",
        path.display(), path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The token can be guessed.
    #[error(
        "api.tcp.token_file: {} holds no line of at least {TOKEN_LENGTH} characters; make one \
         with `openssl rand -hex 16`",
        .0.display()
    )]
    Short(PathBuf),
    /// The address is not this host's, or taken.
    #[error("api.tcp.listen: cannot listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// A listener, and what opens it.
#[derive(Debug)]
pub struct Door {
    pub(super) listener: TcpListener,
    pub(super) token: Token,
}

impl Door {
    /// Listens as `tcp` says. Called within a runtime.
    pub async fn open(tcp: &ApiTcp) -> Result<Self, Error> {
        let token = Token::read(&tcp.token_file)?;
        let listen = tcp.listen;
        match TcpListener::bind(listen).await {
            Ok(listener) => Ok(Self { listener, token }),
            Err(source) => Err(Error::Listen { listen, source }),
        }
    }
}

/// What those who may ask know.
#[derive(Clone)]
pub(super) struct Token(Arc<str>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    fn read(path: &std::path::Path) -> Result<Self, Error> {
        let path = || path.to_owned();
        let failed = |source| Error::File {
            path: path(),
            source,
        };
        let mode = fs::metadata(path()).map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::Readable { path: path(), mode });
        }
        let text = fs::read_to_string(path()).map_err(failed)?;
        let token = text.trim();
        if token.len() < TOKEN_LENGTH || token.contains(char::is_whitespace) {
            return Err(Error::Short(path()));
        }
        Ok(Self(token.into()))
    }

    /// True if the header has it: `Bearer TOKEN`, or `Basic` with any user and it as password,
    /// which is what a browser asks for.
    fn opens(&self, header: &str) -> bool {
        let Some((scheme, credentials)) = header.split_once(' ') else {
            return false;
        };
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.equals(credentials.trim().as_bytes());
        }
        let decoded = BASE64_STANDARD
            .decode(credentials.trim())
            .unwrap_or_default();
        let password = decoded.splitn(2, |octet| *octet == b':').nth(1);
        scheme.eq_ignore_ascii_case("basic") && password.is_some_and(|given| self.equals(given))
    }

    /// Takes as long for a token that begins right as for any other.
    fn equals(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differ = own.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b));
        own.len() == given.len() && differ == 0
    }
}

/// Lets requests through that read and have the token.
pub(super) async fn guard(State(token): State<Token>, request: Request, next: Next) -> Response {
    let header = request.headers().get(AUTHORIZATION);
    let header = header.and_then(|header| header.to_str().ok());
    if !header.is_some_and(|header| token.opens(header)) {
        let ask = [(WWW_AUTHENTICATE, "Basic realm=\"weir\"")];
        return (ask, Refusal::Token).into_response();
    }
    if request.method() != Method::GET {
        return Refusal::ReadOnly(request.method().clone()).into_response();
    }
    if request.uri().path() == CONFIGURATION {
        return Refusal::Secret.into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_token_opens_and_nothing_like_it_does() {
        let token = Token("0123456789abcdef".into());
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        assert!(token.opens("Bearer 0123456789abcdef"));
        assert!(token.opens("bearer  0123456789abcdef"));
        assert!(token.opens(&basic("anybody:0123456789abcdef")));
        for wrong in [
            "",
            "0123456789abcdef",
            "Bearer",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdeg",
            "Bearer 0123456789abcdef0",
            "Basic 0123456789abcdef",
            &basic("0123456789abcdef"),
            &basic("0123456789abcdef:"),
            &basic(":x:0123456789abcdef"),
            "Digest 0123456789abcdef",
        ] {
            assert!(!token.opens(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_token_that_others_can_know_is_refused() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("token");
        let refused = |mode, text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Token::read(&path).err().map(|error| error.to_string())
        };
        let shown = path.display();
        assert_eq!(refused(0o600, "0123456789abcdef\n"), None);
        assert_eq!(
            refused(0o640, "0123456789abcdef\n"),
            Some(format!(
                "api.tcp.token_file: {shown} has mode 640, so others may read it; \
                 chmod 600 {shown}"
            ))
        );
        for short in ["", "0123456789abcde\n", "0123456 89abcdef"] {
            let short = refused(0o600, short).unwrap();
            assert!(short.contains("holds no line of at least 16"), "{short}");
        }
    }
}
