//! What runs until it is told to stop.

use anyhow::{Context, bail};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Runs `work` to its end. SIGTERM or SIGINT completes the future that `work`
/// is given; a second of them does not wait for `work` any longer.
///
/// # Errors
/// Those of `work`; a second signal; the system has no threads left.
pub(crate) fn signalled<E>(
    work: impl AsyncFnOnce(Stop) -> Result<(), E>,
) -> Result<(), anyhow::Error>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let runtime = Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::new().context("cannot wait for signals")?;
        let (tell, stop) = oneshot::channel();
        let interrupted = async {
            signals.next().await;
            drop(tell);
            signals.next().await;
        };
        tokio::select! {
            ended = work(Stop(stop)) => Ok(ended?),
            () = interrupted => bail!("stopped in the middle of stopping, by a second signal"),
        }
    });
    // What does not end by itself must not keep the process.
    runtime.shutdown_background();
    ended
}

/// Says when to stop.
pub(crate) struct Stop(oneshot::Receiver<()>);

impl Stop {
    pub(crate) async fn wait(self) {
        let _ = self.0.await;
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
