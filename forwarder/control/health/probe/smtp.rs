//! A mail server's greeting.

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{Fault, Pass, Question};

/// Octets of one reply, whose lines have at most 512 each (RFC 5321 4.5.3.1.5).
const MAX_REPLY: u64 = 16 * 1024;

/// Waits for the greeting, says EHLO and QUIT.
pub(super) async fn ask(helo: &str, question: &Question) -> Result<Pass, Fault> {
    let mut stream = BufReader::new(super::connect(question).await?);
    expect(&mut stream, "220").await?;
    say(&mut stream, &format!("EHLO {helo}\r\n")).await?;
    expect(&mut stream, "250").await?;
    say(&mut stream, "QUIT\r\n").await?;
    expect(&mut stream, "221").await?;
    Ok(Pass::default())
}

async fn say(stream: &mut BufReader<TcpStream>, line: &str) -> Result<(), Fault> {
    stream.write_all(line.as_bytes()).await?;
    Ok(stream.flush().await?)
}

/// Reads a reply, all lines of which begin with its code, the last with the code and a space
/// (RFC 5321 4.2.1).
async fn expect(stream: &mut BufReader<TcpStream>, code: &str) -> Result<(), Fault> {
    let mut reply = stream.take(MAX_REPLY);
    loop {
        let mut line = Vec::new();
        reply.read_until(b'\n', &mut line).await?;
        let line = String::from_utf8_lossy(&line);
        let rest = line.strip_prefix(code).unwrap_or("?");
        match rest.bytes().next() {
            Some(b'-') => {}
            Some(b' ' | b'\r' | b'\n') => return Ok(()),
            _ => {
                let found = line.trim_end();
                let text = format!("`{found}` instead of {code}");
                return Err(Fault::Unexpected(text));
            }
        }
    }
}
