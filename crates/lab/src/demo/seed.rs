//! The calls of the seed's page on network peerings, as they stand there, with the UUIDs of what is there.

/// Body of `POST /1.3/network-peering`.
pub(super) fn create(network: &str, peer_network: &str) -> String {
    CREATE
        .replace("034c12bc-cf15-4b19-97b2-0ab4e51bb98d", network)
        .replace("03abc123-cf15-4b19-97b2-0ab4e51bb98d", peer_network)
}

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

/// Body of `PATCH /1.3/network-peering/{uuid}`.
pub(super) const DISABLE: &str = r#"{
    "network_peering": {
      "name": "Updated Peering Name",
      "configured_status": "disabled"
    }
  }"#;

/// The page has none for this; the attribute is its own.
pub(super) const ENABLE: &str = r#"{"network_peering": {"configured_status": "active"}}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_the_networks_that_are_there_and_the_rest_of_the_page() {
        let body: serde_json::Value = serde_json::from_str(&create("a", "b")).unwrap();
        let peering = &body["network_peering"];
        assert_eq!(peering["network"]["uuid"], "a");
        assert_eq!(peering["peer_network"]["uuid"], "b");
        assert_eq!(peering["name"], "Helsinki-Frankfurt Peering");
        assert_eq!(peering["labels"][0]["value"], "eu");
        assert_eq!(create("a", "b").lines().count(), 15);
    }
}
