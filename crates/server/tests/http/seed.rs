//! The five calls of the seed page, by the tool that it uses.

use std::process::Command;

use serde_json::{Value, json};

use crate::site::{PEERINGS, Site, at};

/// The body of the page's POST, its networks' UUIDs to be put in.
const CREATE: &str = r#"{
    "network_peering": {
      "name": "Helsinki-Frankfurt Peering",
      "configured_status": "active",
      "network": {
        "uuid": "034c12bc-cf15-4b19-97b2-0ab4e51bb98d"
      },
      "peer_network": {
        "uuid": "03abc123-cf15-4b19-97b2-0ab4e51bb98d"
      },
      "labels": [
        {"key": "region", "value": "eu"}
      ]
    }
  }"#;

const MODIFY: &str = r#"{
    "network_peering": {
      "name": "Updated Peering Name",
      "configured_status": "disabled"
    }
  }"#;

/// What `curl` prints, and the status.
async fn curl(site: &Site, arguments: &[&str], path: &str) -> (u16, Value) {
    let mut command = Command::new("curl");
    command.args(arguments).arg(format!("http://{}{path}", site.api));
    command.args(["-u", "alice:alices password", "--silent", "-w", "\n%{http_code}"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.expect("curl is needed for this test");
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() };
    (status.parse().unwrap(), body)
}

#[tokio::test]
async fn the_seeds_five_calls_do_what_it_says() {
    let site = Site::start().await;
    let local = site.alice.make_routed("10.0.1.0/24").await;
    let peer = site.alice.make_routed("10.0.2.0/24").await;
    let body = CREATE
        .replace("034c12bc-cf15-4b19-97b2-0ab4e51bb98d", &local)
        .replace("03abc123-cf15-4b19-97b2-0ab4e51bb98d", &peer);
    let json_body = ["-H", "Content-Type: application/json", "-d"];

    let post = [&["-X", "POST"], &json_body[..], &[&body]].concat();
    let (status, made) = curl(&site, &post, PEERINGS).await;
    assert_eq!(status, 201, "{made}");
    let made = &made["network_peering"];
    assert_eq!(made["name"], "Helsinki-Frankfurt Peering");
    assert_eq!(made["labels"], json!([{"key": "region", "value": "eu"}]));
    let path = at(PEERINGS, made["uuid"].as_str().unwrap());

    let (status, list) = curl(&site, &["-X", "GET"], PEERINGS).await;
    assert_eq!(status, 200);
    assert_eq!(list, json!({"network_peerings": {"network_peering": [made]}}));

    let (status, one) = curl(&site, &["-X", "GET"], &path).await;
    assert_eq!((status, &one["network_peering"]), (200, made));

    let patch = [&["-X", "PATCH"], &json_body[..], &[MODIFY]].concat();
    let (status, modified) = curl(&site, &patch, &path).await;
    assert_eq!(status, 200, "{modified}");
    assert_eq!(modified["network_peering"]["name"], "Updated Peering Name");
    assert_eq!(modified["network_peering"]["configured_status"], "disabled");
    assert_eq!(modified["network_peering"]["state"], "disabled");

    let (status, nothing) = curl(&site, &["-X", "DELETE"], &path).await;
    assert_eq!((status, nothing), (204, Value::Null));
    let (status, list) = curl(&site, &["-X", "GET"], PEERINGS).await;
    assert_eq!(status, 200);
    assert_eq!(list, json!({"network_peerings": {"network_peering": []}}));
}
