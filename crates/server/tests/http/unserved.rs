//! What `upctl all list` asks for and nobody has here (U03).

use serde_json::json;

use crate::site::{NOBODY, Site, at};

#[tokio::test]
async fn u03_every_list_that_upctl_reads_is_there() {
    let site = Site::start().await;
    for (path, want) in [
        ("/1.3/kubernetes", json!([])),
        ("/1.3/load-balancer?limit=100&offset=0", json!([])),
        ("/1.3/load-balancer/certificate-bundles?limit=100&offset=0", json!([])),
        ("/1.3/object-storage-2", json!([])),
        ("/1.3/database", json!([])),
        ("/1.3/file-storage?limit=100&offset=0", json!([])),
        ("/1.3/network-peering", json!({"network_peerings": {"network_peering": []}})),
        ("/1.3/router", json!({"routers": {"router": []}})),
        ("/1.3/server", json!({"servers": {"server": []}})),
        ("/1.3/server-group/", json!({"server_groups": {"server_group": []}})),
        ("/1.3/storage", json!({"storages": {"storage": []}})),
        ("/1.3/storage/private", json!({"storages": {"storage": []}})),
        ("/1.3/storage/template/", json!({"storages": {"storage": []}})),
        ("/1.3/tag", json!({"tags": {"tag": []}})),
    ] {
        assert_eq!(site.bob.read(path).await, want, "{path}");
        let stranger = site.bob.with("");
        stranger.get(path).await.refuses(401, "AUTHENTICATION_REQUIRED");
    }
    assert_eq!(site.bob.networks("/1.3/network").await.len(), 0);
}

#[tokio::test]
async fn a_storage_is_not_found() {
    let site = Site::start().await;
    for id in [NOBODY, "templates", "x"] {
        let path = at("/1.3/storage", id);
        site.bob.get(&path).await.refuses(404, "STORAGE_NOT_FOUND");
    }
}

#[tokio::test]
async fn the_plans_that_are_listed_can_be_had() {
    let site = Site::start().await;
    let plans = site.bob.read("/1.3/plan").await["plans"]["plan"].clone();
    for plan in plans.as_array().unwrap() {
        let body = json!({"server": {
            "title": "t", "hostname": "h", "zone": "fi-hel1", "plan": plan["name"]
        }});
        let made = site.bob.post("/1.3/server", &body).await.is(202);
        assert_eq!(made["server"]["plan"], plan["name"]);
        for key in ["core_number", "memory_amount"] {
            assert_eq!(made["server"][key], plan[key].to_string(), "{plan}");
        }
    }
    assert!(plans.as_array().unwrap().len() > 5);
}
