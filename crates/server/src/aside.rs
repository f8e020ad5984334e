//! Work that others need not wait for.

use crate::problem::Problem;

/// Does it on a thread that may wait, for a disk or because there is much.
///
/// # Errors
/// It has panicked.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Problem::Panic(error.to_string()))
}
