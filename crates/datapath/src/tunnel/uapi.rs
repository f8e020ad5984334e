//! WireGuard's configuration protocol, over the Unix socket of our process
//! (<https://www.wireguard.com/xplatform/#configuration-protocol>).

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::seal::PublicKey;

use super::wireguard::{Change, KEEPALIVE, Peer, Standing, Wireguard};

/// A process that takes longer to answer is as good as gone.
const LIMIT: Duration = Duration::from_secs(2);

/// Bytes of the largest answer: some thousand peers.
const ANSWER: u64 = 4 << 20;

/// The processes whose sockets are in this directory.
pub(crate) struct Processes {
    pub(crate) dir: PathBuf,
}

impl Processes {
    pub(crate) fn socket(&self, device: &str) -> PathBuf {
        self.dir.join(format!("{device}.sock"))
    }

    fn ask(&self, device: &str, request: &str) -> io::Result<Vec<String>> {
        ask(&self.socket(device), request)
    }
}

fn ask(socket: &Path, request: &str) -> io::Result<Vec<String>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(request.as_bytes())?;
    let mut lines = Vec::new();
    for line in BufReader::new(stream.take(ANSWER)).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        match line.strip_prefix("errno=") {
            Some("0") => return Ok(lines),
            Some(code) => {
                let code = code.parse().unwrap_or(libc::EPROTO);
                return Err(io::Error::from_raw_os_error(code));
            }
            None => lines.push(line),
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

impl Wireguard for Processes {
    fn set(&mut self, device: &str, change: &Change) -> io::Result<()> {
        self.ask(device, &text_of(change)).map(drop)
    }

    fn get(&mut self, device: &str) -> io::Result<Standing> {
        standing_of(&self.ask(device, "get=1\n\n")?)
    }
}

fn text_of(change: &Change) -> String {
    let mut text = "set=1\n".to_owned();
    let written = match change {
        Change::Own { private, port } => {
            let private = PublicKey::from(*private);
            writeln!(text, "private_key={private}\nlisten_port={port}")
        }
        Change::Peer { key, endpoint, allowed } => {
            let bits = if allowed.is_ipv4() { 32 } else { 128 };
            writeln!(
                text,
                "public_key={key}\nendpoint={endpoint}\n\
                 persistent_keepalive_interval={KEEPALIVE}\nreplace_allowed_ips=true\n\
                 allowed_ip={allowed}/{bits}"
            )
        }
        Change::Forget(key) => writeln!(text, "public_key={key}\nremove=true"),
    };
    written.expect("a string takes all");
    text.push('\n');
    text
}

fn standing_of(lines: &[String]) -> io::Result<Standing> {
    let bad = |line: &String| io::Error::new(io::ErrorKind::InvalidData, line.clone());
    let mut it = Standing::default();
    for line in lines {
        let (name, value) = line.split_once('=').ok_or_else(|| bad(line))?;
        let key = || value.parse::<PublicKey>().map_err(|_| bad(line));
        match (name, it.peers.last_mut()) {
            ("private_key", _) => it.private = Some(key()?.octets()),
            ("listen_port", _) => it.port = value.parse().map_err(|_| bad(line))?,
            ("public_key", _) => {
                it.peers.push(Peer { key: key()?, endpoint: None, allowed: Vec::new() });
            }
            ("endpoint", Some(peer)) => {
                peer.endpoint = Some(value.parse().map_err(|_| bad(line))?);
            }
            ("allowed_ip", Some(peer)) => {
                let address = value.split('/').next().unwrap_or_default();
                peer.allowed.push(address.parse::<IpAddr>().map_err(|_| bad(line))?);
            }
            _ => {}
        }
    }
    Ok(it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_and_read_is_the_protocol() {
        let key = PublicKey::from([0xab; 32]);
        let peer = Change::Peer {
            key,
            endpoint: "192.0.2.7:51820".parse().unwrap(),
            allowed: [192, 0, 2, 7].into(),
        };
        let hex = "ab".repeat(32);
        assert_eq!(
            text_of(&peer),
            format!(
                "set=1\npublic_key={hex}\nendpoint=192.0.2.7:51820\n\
                 persistent_keepalive_interval=25\nreplace_allowed_ips=true\n\
                 allowed_ip=192.0.2.7/32\n\n"
            )
        );
        let forget = text_of(&Change::Forget(key));
        assert_eq!(forget, format!("set=1\npublic_key={hex}\nremove=true\n\n"));
        let own = text_of(&Change::Own { private: [1; 32], port: 7 });
        let one = "01".repeat(32);
        assert_eq!(own, format!("set=1\nprivate_key={one}\nlisten_port=7\n\n"));

        let text = format!(
            "private_key={one}\nlisten_port=7\nfwmark=0\npublic_key={hex}\n\
             endpoint=[2001:db8::1]:9\nlast_handshake_time_sec=1\nallowed_ip=2001:db8::1/128"
        );
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let endpoint = Some("[2001:db8::1]:9".parse().unwrap());
        let allowed = vec!["2001:db8::1".parse().unwrap()];
        let want = Standing {
            private: Some([1; 32]),
            port: 7,
            peers: vec![Peer { key, endpoint, allowed }],
        };
        assert_eq!(standing_of(&lines).unwrap(), want);
        assert!(standing_of(&["listen_port=x".to_owned()]).is_err());
        assert!(standing_of(&["nothing".to_owned()]).is_err());
    }
}
