//! The socket on which the process is told what to do.

use std::io;
use std::str::FromStr;
use std::time::Duration;

use gotatun::device::uapi::UapiClient;
use gotatun::device::uapi::command::Request;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// A caller has this long for all that it wants: one at a time is served.
const LIMIT: Duration = Duration::from_secs(10);

/// Bytes of the largest request: some thousand peers.
const REQUEST: u64 = 4 << 20;

/// How long not to listen after an error, as when descriptors have run out.
const PAUSE: Duration = Duration::from_millis(100);

/// Never ends by itself.
pub(crate) async fn serve(listener: &UnixListener, client: &UapiClient) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => match tokio::time::timeout(LIMIT, answer(stream, client)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a caller was not answered"),
                Err(_) => tracing::warn!("a caller took too long"),
            },
            Err(error) => {
                tracing::warn!(%error, "cannot take a caller");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Answers request after request; each ends with an empty line.
async fn answer(mut stream: UnixStream, client: &UapiClient) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader.take(REQUEST)).lines();
    let mut text = String::new();
    while let Some(line) = lines.next_line().await? {
        if !line.is_empty() {
            text.push_str(&line);
            text.push('\n');
            continue;
        }
        let answer = match Request::from_str(&text) {
            Ok(request) => client.send(request).await.map_err(io::Error::other)?.to_string(),
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "a request cannot be read");
                // EPROTO of errno(3).
                "errno=71\n".to_owned()
            }
        };
        writer.write_all(format!("{answer}\n").as_bytes()).await?;
        text.clear();
    }
    Ok(())
}
