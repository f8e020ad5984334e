//! A thread that hears of what others do to the kernel, and wakes its owner.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Something that hears when what is ours may have been changed, by anybody.
pub trait Sentinel: Send {
    /// Waits for news, `limit` at most; true when there are some.
    fn watch(&mut self, limit: Duration) -> bool;
}

/// How often programs are looked at, of whose end the kernel sends no news.
const LOOK: Duration = Duration::from_millis(250);

/// News that its owner has not acted on.
#[derive(Debug, Default)]
pub(crate) struct News(AtomicBool);

impl News {
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn put(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Ends its thread on drop.
pub(crate) struct Guard {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Guard {
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(
        mut sentinel: Box<dyn Sentinel>,
        news: Arc<News>,
        wake: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let watch = move || {
            while !stopped.load(Ordering::SeqCst) {
                if sentinel.watch(LOOK) {
                    news.put();
                    wake();
                }
            }
        };
        let thread = std::thread::Builder::new().name("sentinel".to_owned()).spawn(watch)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // Whether it panicked or not, it is over.
            let _ = thread.join();
        }
    }
}
