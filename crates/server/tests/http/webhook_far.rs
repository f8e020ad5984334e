//! Webhooks that outlive the server, and those behind TLS.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use crate::client::Client;
use crate::site::{Site, config, furnish};
use crate::token::serve_until;
use crate::webhook::{Receiver, SECRET, WEBHOOK};

#[tokio::test]
async fn what_was_not_taken_is_sent_again_by_the_next_server_and_what_was_is_not() {
    let dir = tempfile::tempdir().unwrap();
    furnish(dir.path()).await;
    let mut config = config(dir.path());
    config.webhook.webhook_allow = vec!["127.0.0.0/8".parse().unwrap()];
    // Takes the first event and then nothing until the server is another one.
    let mut receiver = Receiver::start(&[200, 500]).await;
    let (api, stop, serving) = serve_until(&config).await;
    let alice = Client::new(api, "alice", "alices password");
    let body = json!({"webhook": {"url": receiver.url(), "secret": SECRET}});
    alice.put(WEBHOOK, &body).await.is(200);
    let a = alice.make_routed("10.0.1.0/24").await;
    let b = alice.make_routed("10.0.2.0/24").await;
    let there = alice.peered(&a, &b).await;
    assert_eq!(receiver.next().await.said()["sequence"], 1);
    alice.set(&there, json!({"configured_status": "disabled"})).await;
    let refused = receiver.next().await;
    assert_eq!(refused.said()["state"], "disabled");
    drop(stop);
    serving.await;

    receiver.answer(&[204]);
    let (api, _stop, _serving) = serve_until(&config).await;
    let again = receiver.next_after(&refused).await;
    assert_eq!(again.said(), refused.said());
    // The next is the next: nothing was sent twice once it was taken.
    let alice = Client::new(api, "alice", "alices password");
    alice.set(&there, json!({"configured_status": "active"})).await;
    let next = receiver.next_after(&again).await.said();
    assert_eq!((&next["state"], &next["sequence"]), (&json!("pending-peer"), &json!(3)));
}

/// An authority's certificate in PEM, and a receiver's TLS with a certificate
/// of it for `localhost`.
fn authority() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &ca).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (ca.pem(), TlsAcceptor::from(Arc::new(tls)))
}

#[tokio::test]
async fn a_receiver_behind_tls_is_told_if_its_authority_is_trusted() {
    let (trusted, tls) = authority();
    let (_, strangers) = authority();
    let mut receiver = Receiver::start_behind(Some(tls), &[200]).await;
    let mut stranger = Receiver::start_behind(Some(strangers), &[200]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), trusted).unwrap();
    let site = Site::with(|it| {
        it.webhook.webhook_allow = vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        it.webhook.webhook_ca = Some(file.path().to_owned());
    })
    .await;
    let url = |of: &Receiver| format!("https://localhost:{}/hook", of.address.port());
    let set = |client: Client, url: String| async move {
        let body = json!({"webhook": {"url": url, "secret": SECRET}});
        client.put(WEBHOOK, &body).await.is(200)
    };
    set(site.bob.clone(), url(&stranger)).await;
    let a = site.alice.make_routed("10.0.1.0/24").await;
    let b = site.bob.make_routed("10.0.2.0/24").await;
    site.bob.peer(&b, &a).await;
    stranger.is_hung_up_on().await;
    set(site.alice.clone(), url(&receiver)).await;
    site.alice.peer(&a, &b).await;
    let said: Value = receiver.next().await.said();
    assert_eq!((&said["account"], &said["state"]), (&json!("alice"), &json!("active")));
    assert!(stranger.got.try_recv().is_err(), "nothing is said to whom is not trusted");
}

#[tokio::test]
async fn a_server_does_not_start_with_an_authority_that_is_none() {
    let dir = tempfile::tempdir().unwrap();
    furnish(dir.path()).await;
    let mut config = config(dir.path());
    for (text, want) in [
        (None, "cannot read certificates from"),
        (Some(""), "there is no certificate of an authority in"),
        (Some("-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n"), "cannot read"),
        (
            Some("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
            "there is no certificate",
        ),
    ] {
        let file = dir.path().join("ca.pem");
        let _ = std::fs::remove_file(&file);
        text.inspect(|text| std::fs::write(&file, text).unwrap());
        config.webhook.webhook_ca = Some(file);
        let refused = server::Server::start(&config).await.err().unwrap().to_string();
        assert!(refused.starts_with(want), "{text:?}: {refused}");
    }
}
