//! Where a PostgreSQL database is, and how safely it is reached.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::tls::Tls;
use crate::engine::Error;

/// For each address that a host's name stands for.
const CONNECT: Duration = Duration::from_secs(2);

/// How long a peer may be silent before its connection counts as broken: less
/// than PostgreSQL waits before it lets go of what a lost client holds
/// ([`super::link::SESSION`]).
const SILENCE: Duration = Duration::from_secs(5);

/// `postgres://USER:PASSWORD@HOST:PORT/NAME`, with parameters as libpq has
/// them. It is shown without its password.
///
/// What goes over a network is encrypted and the server's certificate checked,
/// name and all, unless `sslmode=disable` says otherwise; `sslrootcert` names a
/// file with the authorities, in PEM, in place of those that browsers trust.
#[derive(Clone)]
pub struct Url {
    pub(super) config: Config,
    pub(super) tls: Tls,
}

impl FromStr for Url {
    type Err = Error;

    /// # Errors
    /// It makes no sense, or the file of certificates cannot be used.
    fn from_str(text: &str) -> Result<Self, Error> {
        let known = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let (place, parameters) = text.split_once('?').unwrap_or((text, ""));
        let (mut kept, mut mode, mut authorities) = (Vec::new(), None, None);
        for parameter in parameters.split('&').filter(|it| !it.is_empty()) {
            let (key, value) = parameter.split_once('=').ok_or(Error::Url)?;
            let value = || percent_decode_str(value).decode_utf8().map_err(|_| Error::Url);
            match key {
                "sslmode" => mode = Some(value()?.into_owned()),
                "sslrootcert" => authorities = Some(PathBuf::from(&*value()?)),
                _ => kept.push(parameter),
            }
        }
        let whole = format!("{place}?{}", kept.join("&"));
        let mut config: Config = whole.parse().map_err(|_| Error::Url)?;
        if !known || config.get_hosts().is_empty() {
            return Err(Error::Url);
        }
        let local = config.get_hosts().iter().all(|it| matches!(it, Host::Unix(_)));
        let encrypted = match mode.as_deref() {
            None => !local,
            Some("disable") => false,
            Some("require" | "verify-full") => true,
            Some(_) => return Err(Error::SslMode),
        };
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.connect_timeout(CONNECT).tcp_user_timeout(SILENCE);
        config.keepalives_idle(SILENCE / 2).keepalives_interval(SILENCE / 5).keepalives_retries(3);
        if config.get_application_name().is_none() {
            config.application_name("kannas");
        }
        Ok(Self { config, tls: Tls::new(authorities.as_deref().filter(|_| encrypted))? })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.config.get_user().unwrap_or_default();
        write!(f, "postgres://{user}@")?;
        for (n, host) in self.config.get_hosts().iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}")?,
                Host::Unix(path) => write!(f, "{comma}{}", path.display())?,
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or(user))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(text: &str) -> SslMode {
        text.parse::<Url>().unwrap().config.get_ssl_mode()
    }

    #[test]
    fn what_goes_over_a_network_is_encrypted_unless_it_is_said_otherwise() {
        assert_eq!(mode("postgres://u:p@db.example/kannas"), SslMode::Require);
        assert_eq!(mode("postgresql://u@127.0.0.1:5433/kannas?sslmode=require"), SslMode::Require);
        assert_eq!(mode("postgres://u@a,b/k?sslmode=verify-full"), SslMode::Require);
        assert_eq!(mode("postgres://u@db.example/kannas?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("postgres://u@%2Frun%2Fpostgresql/kannas"), SslMode::Disable);
        assert_eq!(mode("postgres://u@/kannas?host=/run/postgresql"), SslMode::Disable);
        for weak in ["prefer", "allow", "verify-ca", "nonsense"] {
            let error = format!("postgres://u@h/k?sslmode={weak}").parse::<Url>().unwrap_err();
            assert!(matches!(error, Error::SslMode), "{weak}: {error:?}");
        }
    }

    #[test]
    fn only_the_server_that_takes_writes_will_do() {
        let url: Url = "postgres://u@a,b/k?target_session_attrs=any".parse().unwrap();
        assert_eq!(url.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn nothing_that_is_shown_has_the_password() {
        let url: Url =
            "postgres://kannas:hunter2@db.example:5433/k?connect_timeout=9".parse().unwrap();
        assert_eq!(url.config.get_password(), Some(&b"hunter2"[..]));
        assert_eq!(url.to_string(), "postgres://kannas@db.example/k");
        assert!(!format!("{url:?} {:?}", url.config).contains("hunter2"));
        for wrong in [
            "postgres://kannas:hunter2@",
            "postgres://kannas:hunter2@h:hunter2/k",
            "postgres://kannas:x@h/k?hunter2",
            "postgres://kannas:x@h/k?hunter2=1",
            "mysql://kannas:hunter2@h/k",
            "host=h password=hunter2",
            "hunter2",
            "",
        ] {
            let error = wrong.parse::<Url>().unwrap_err();
            let mut told = format!("{error} {error:?}");
            let mut cause = std::error::Error::source(&error);
            while let Some(it) = cause {
                told += &format!("{it} {it:?}");
                cause = it.source();
            }
            assert!(!told.contains("hunter2"), "{wrong}: {told}");
        }
    }
}
