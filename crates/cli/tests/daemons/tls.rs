//! The API within TLS, called by the program.

use std::fs;
use std::path::{Path, PathBuf};

use lab::eventually;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::binary::{failure, kannas, text};
use crate::running::{Running, SOON};

/// An authority, and files with what it has signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let it = Self { issuer, dir: tempfile::tempdir().unwrap() };
        fs::write(it.at("ca.pem"), it.issuer.pem()).unwrap();
        it
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a new pair into the files; returns the key.
    fn sign(&self) -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.at("cert.pem"), cert.pem()).unwrap();
        fs::write(self.at("key.pem"), key.serialize_pem()).unwrap();
        key.serialize_pem()
    }
}

fn list(running: &Running, ca: Option<&Path>) -> std::process::Command {
    let url = format!("https://{}", running.api);
    let mut command = kannas(&["account", "list", "--url", &url, "--password-file"]);
    command.arg(running.password_file());
    command.envs(ca.map(|file| ("KANNAS_CA_FILE", file)));
    command
}

#[test]
fn who_has_the_authoritys_file_can_call_and_broken_files_leave_the_old_certificate() {
    let authority = Authority::new();
    let first = authority.sign();
    let (cert, key) = (authority.at("cert.pem"), authority.at("key.pem"));
    let mut running = Running::with(&["--tls-cert", text(&cert), "--tls-key", text(&key)]);
    let ca = authority.at("ca.pem");
    let is_served = |running: &Running| {
        let output = list(running, Some(&ca)).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout.starts_with(b"NAME   ADMIN"), "{output:?}");
    };
    is_served(&running);
    let gone = authority.at("gone.pem");
    for (ca, want) in [(None, 5), (Some(&*gone), 2)] {
        let (code, line) = failure(list(&running, ca));
        assert_eq!(code, want, "{line}");
    }
    let stranger = Authority::new();
    let (code, line) = failure(list(&running, Some(&stranger.at("ca.pem"))));
    assert!(code == 5 && line.contains("invalid peer certificate"), "{line}");
    let (code, line) = failure(list(&running, Some(&key)));
    assert_eq!((code, line), (2, format!("kannas: there is no certificate in {}", text(&key))));

    let says = |running: &Running, what: &str| {
        let says = || running.log().contains(what).then_some(());
        eventually(SOON, what, says).unwrap();
    };
    fs::write(&key, "no key\n").unwrap();
    says(&running, "a new certificate cannot be used");
    is_served(&running);
    let second = authority.sign();
    says(&running, "took up a new certificate");
    is_served(&running);

    assert!(running.process.stop().unwrap().success());
    let log = running.log();
    assert_eq!(log.matches("there is no private key in").count(), 1, "{log}");
    for line in [first, second].iter().flat_map(|key| key.lines()) {
        assert!(!log.contains(line) || line.starts_with("-----"), "a key is in {log}");
    }
}

#[test]
fn a_certificate_needs_its_key_and_files_that_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let gone = dir.path().join("gone.pem");
    let server = |flags: &[&str]| {
        let mut command = kannas(&["server", "--listen", "127.0.0.1:0", "--data-dir", text(&data)]);
        command.args(["--agent-listen", "127.0.0.1:0"]).args(flags).env("RUST_LOG", "error");
        failure(command)
    };
    let (code, line) = server(&["--tls-cert", text(&gone)]);
    assert!(code == 2 && line.contains("--tls-key <FILE>"), "{line}");
    let (code, line) = server(&["--tls-cert", text(&gone), "--tls-key", text(&gone)]);
    let want =
        format!("kannas: cannot read {}: No such file or directory (os error 2)", text(&gone));
    assert_eq!((code, line), (1, want));
}
