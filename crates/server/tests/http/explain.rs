//! Who may ask why packets do not get there, and what they are told.

use serde_json::{Value, json};

use crate::client::Client;
use crate::site::{HOST, Site};

const EXPLAIN: &str = "/kannas/v1/explain";
const PORTS: &str = "/kannas/v1/ports";

async fn explained(client: &Client, source: &str, destination: &str) -> Value {
    let body = json!({"explain": {"source": source, "destination": destination}});
    client.post(EXPLAIN, &body).await.is(200)["explanation"].clone()
}

async fn refused(client: &Client, source: &str, destination: &str, status: u16) {
    let code = if status == 403 { "PORT_FORBIDDEN" } else { "PORT_NOT_FOUND" };
    let body = json!({"explain": {"source": source, "destination": destination}});
    client.post(EXPLAIN, &body).await.refuses(status, code);
}

async fn port(site: &Site, network: &str, netns: &str) -> String {
    let body = json!({"port": {"network": network, "host": HOST, "netns": netns}});
    let made = site.bob.post(PORTS, &body).await.is(201);
    made["port"]["uuid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_sub_account_asks_of_its_own_ports_and_is_told_of_others_as_of_strangers() {
    let site = Site::start().await;
    let bob = &site.bob;
    let [mine, other] =
        [bob.make_routed("10.0.1.0/24").await, bob.make_routed("10.0.2.0/24").await];
    bob.peered(&mine, &other).await;
    bob.peered(&other, &mine).await;
    let (my_port, other_port) =
        (port(&site, &mine, "blue").await, port(&site, &other, "red").await);
    let sub = site.sub(json!([mine]), json!([])).await;

    let told = explained(&sub, &my_port, "10.0.2.2").await;
    assert_eq!(told["steps"][0]["step"], "source", "{told}");
    let text = told.to_string();
    assert!(text.contains(&my_port) && text.contains(HOST), "{told}");
    assert!(!text.contains(&other_port), "{told}");
    assert!(explained(bob, &my_port, "10.0.2.2").await.to_string().contains(&other_port));
    assert_eq!(explained(&sub, "10.0.1.2", "10.0.2.2").await["steps"], told["steps"]);

    refused(&sub, &other_port, "10.0.1.2", 403).await;
    refused(&sub, &my_port, &other_port, 403).await;
    refused(&site.alice, &my_port, "10.0.2.2", 404).await;
    // An address that is no port of its own, whoever has it.
    for address in ["10.0.2.2", "10.9.9.9"] {
        let told = explained(&sub, address, "10.0.1.2").await;
        assert_eq!(
            (&told["reaches"], &told["steps"][0]["step"]),
            (&false.into(), &"source".into())
        );
        assert!(told["steps"][0]["message"].as_str().unwrap().contains("spoofed-source"), "{told}");
    }
    // Which other networks its main account has is not for it.
    let third = bob.make_routed("10.0.3.0/24").await;
    let told = explained(&sub, &my_port, "10.0.3.2").await;
    assert!(!told.to_string().contains(&third), "{told}");
    assert!(explained(bob, &my_port, "10.0.3.2").await.to_string().contains(&third));
}
