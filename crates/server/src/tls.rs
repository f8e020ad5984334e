//! TLS of the HTTP API, with the operator's own certificate: read from two
//! files, and again whenever they have changed.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::stopped;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// From the first byte to a finished handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Bytes of the largest file that is read.
const LARGEST: u64 = 1 << 20;

/// What the HTTP API shows its clients.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TlsArgs {
    /// File with the certificate of the HTTP API and those between it and its
    /// authority, in PEM; without it the API is without TLS. It and the key's
    /// are read again when they have changed
    #[arg(long, env = "KANNAS_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// File with that certificate's private key, in PEM
    #[arg(long, env = "KANNAS_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
}

/// The files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("for TLS both a certificate and its key are needed")]
    Half,
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("{} is larger than a file of certificates or a key", .0.display())]
    Large(PathBuf),
    #[error("{} cannot be read as PEM", .0.display())]
    Pem(PathBuf, #[source] pem::Error),
    #[error("there is no certificate in {}", .0.display())]
    NoCertificate(PathBuf),
    #[error("there is no private key in {}", .0.display())]
    NoKey(PathBuf),
    #[error("the certificate in {} and the key in {} cannot be used together", .0.cert.display(), .0.key.display())]
    Pair(Files, #[source] rustls::Error),
}

/// Where the pair is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    cert: PathBuf,
    key: PathBuf,
}

/// A pair that is in use, and where newer ones come from.
pub(crate) struct Tls {
    files: Files,
    /// What was in the files, or what was wrong with them, when last looked.
    seen: Seen,
    newest: watch::Sender<TlsAcceptor>,
}

/// What a connection is greeted with.
#[derive(Clone)]
pub(crate) struct Greeting(watch::Receiver<TlsAcceptor>);

#[derive(PartialEq, Eq)]
enum Seen {
    /// SHA-256 of both files: a key is not kept for longer than it is read.
    Read([u8; 32]),
    /// Why they could not be.
    Not(String),
}

/// Both files as they are.
struct Text {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Nothing if `args` name no files.
    ///
    /// # Errors
    /// Only one is named, they cannot be read, or are no pair.
    pub(crate) fn open(args: &TlsArgs) -> Result<Option<Self>, TlsError> {
        let files = match (args.tls_cert.clone(), args.tls_key.clone()) {
            (None, None) => return Ok(None),
            (Some(cert), Some(key)) => Files { cert, key },
            (Some(_), None) | (None, Some(_)) => return Err(TlsError::Half),
        };
        let text = files.read()?;
        let newest = watch::Sender::new(files.acceptor(&text)?);
        Ok(Some(Self { seen: Seen::Read(text.digest()), files, newest }))
    }

    pub(crate) fn greeting(&self) -> Greeting {
        Greeting(self.newest.subscribe())
    }

    /// See [`keep_fresh`].
    async fn keep_fresh(mut self, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopped(&mut stop) => return,
                _ = ticks.tick() => {}
            }
            let files = self.files.clone();
            // Files may be on a disk that is slow or far.
            match tokio::task::spawn_blocking(move || files.read()).await {
                Ok(read) => self.take(read),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "cannot look");
                }
            }
        }
    }

    /// The old pair stays where there is no better one, which is said once.
    fn take(&mut self, read: Result<Text, TlsError>) {
        let seen = match &read {
            Ok(text) => Seen::Read(text.digest()),
            Err(error) => Seen::Not(error.to_string()),
        };
        if seen == self.seen {
            return;
        }
        self.seen = seen;
        match read.and_then(|text| self.files.acceptor(&text)) {
            Ok(acceptor) => {
                self.newest.send_replace(acceptor);
                tracing::info!(file = %self.files.cert.display(), "took up a new certificate");
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a new certificate cannot be used: the old one stays"
            ),
        }
    }
}

/// Takes up what is put into the files, if there are any, until `stop` says so.
pub(crate) async fn keep_fresh(tls: Option<Tls>, stop: watch::Receiver<bool>) {
    if let Some(tls) = tls {
        tls.keep_fresh(stop).await;
    }
}

impl Greeting {
    /// Nothing when the other side does not speak TLS, or takes its time.
    pub(crate) async fn shake_hands(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let acceptor = self.0.borrow().clone();
        match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "no TLS");
                None
            }
            Err(_) => {
                tracing::debug!("a TLS handshake took too long");
                None
            }
        }
    }
}

impl Files {
    fn read(&self) -> Result<Text, TlsError> {
        Ok(Text { cert: read(&self.cert)?, key: read(&self.key)? })
    }

    fn acceptor(&self, text: &Text) -> Result<TlsAcceptor, TlsError> {
        let not_pem = |file: &Path| {
            let file = file.to_owned();
            |error| TlsError::Pem(file, error)
        };
        let chain = CertificateDer::pem_slice_iter(&text.cert).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(not_pem(&self.cert))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(self.cert.clone()));
        }
        let key = PrivateKeyDer::from_pem_slice(&text.key).map_err(|error| {
            let is_none = matches!(error, pem::Error::NoItemsFound);
            if is_none { TlsError::NoKey(self.key.clone()) } else { not_pem(&self.key)(error) }
        })?;
        let no_pair = |error| TlsError::Pair(self.clone(), error);
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(no_pair)?
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .map_err(no_pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl Text {
    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.cert.len().to_le_bytes());
        digest.update(&self.cert);
        digest.update(&self.key);
        digest.finalize().into()
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |error| TlsError::Read(file.to_owned(), error);
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(failed)?;
    opened.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(TlsError::Large(file.to_owned()));
    }
    Ok(bytes)
}
