//! One connection to PostgreSQL: each use of it is bounded in time.

use std::future::poll_fn;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::error::Severity;
use tokio_postgres::{AsyncMessage, Client};

use super::Url;

/// Longer than any group takes, the wait for others' groups included.
const PATIENCE: Duration = Duration::from_secs(5);

/// For logging in.
const HELLO: Duration = Duration::from_secs(4);

/// Writers are kept apart by one row, not by isolation levels. What was
/// answered is durable, whatever the database does by default. What a lost
/// client holds is let go of later than it notices itself
/// (`keepalives` of [`Url`], [`super::ears`]).
pub(super) const SESSION: &str = "
    SET default_transaction_isolation = 'read committed';
    SET idle_in_transaction_session_timeout = '3s';
    SET lock_timeout = 0;
    SET jit = off;
    SET tcp_keepalives_idle = 6;
    SET tcp_keepalives_interval = 2;
    SET tcp_keepalives_count = 3;
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') = 'off'";

/// What went wrong with a use of the connection.
#[derive(Debug)]
pub(super) enum Fault {
    /// PostgreSQL refused, and nothing of what was asked was done.
    Refused(tokio_postgres::Error),
    /// It is not known what was done. The connection is of no use any more.
    Broken(Option<tokio_postgres::Error>),
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        let severity = error.as_db_error().map(|it| it.parsed_severity());
        // One that ends the session may come after a commit.
        if severity == Some(Some(Severity::Error)) {
            Self::Refused(error)
        } else {
            Self::Broken(Some(error))
        }
    }
}

impl From<Fault> for Option<tokio_postgres::Error> {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => Some(error),
            Fault::Broken(error) => error,
        }
    }
}

/// It ends with the value, whatever is under way.
pub(super) struct Link {
    pub(super) client: Client,
    connection: JoinHandle<()>,
}

impl Link {
    /// Nothing was done if this fails. What others notify of goes to `heard`.
    pub(super) async fn open(
        url: &Url,
        heard: Option<mpsc::Sender<()>>,
    ) -> Result<Self, Option<tokio_postgres::Error>> {
        let opening = async {
            let (client, mut connection) = url.config.connect(url.tls.clone()).await?;
            let connection = tokio::spawn(async move {
                // Its user has each error too.
                while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                    if let (AsyncMessage::Notification(_), Some(heard)) = (message, &heard) {
                        // Full: it will be looked for already.
                        let _ = heard.try_send(());
                    }
                }
            });
            let link = Self { client, connection };
            link.client.batch_execute(SESSION).await?;
            Ok(link)
        };
        timeout(HELLO, opening).await.map_err(|_| None)?.map_err(Some)
    }

    /// Something that the client does, in good time.
    pub(super) async fn within<T>(
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Fault> {
        timeout(PATIENCE, work).await.map_err(|_| Fault::Broken(None))?.map_err(Fault::from)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
