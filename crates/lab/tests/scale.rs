//! Many remote ports on a real agent.

use lab::{netns, scale};

#[test]
fn a_host_that_boots_without_a_server_fills_its_maps_and_its_workloads_talk() {
    let prefix = format!("{}scale-", netns::prefix("kt"));
    let reboot = scale::Reboot::new(&prefix, 20_000).unwrap();
    assert!(reboot.filled.ports >= 20_000, "{:?}", reboot.filled);
    // Its workloads have their NICs again, and packets cross among all those.
    let measured = reboot.measure(&prefix, 1, &mut std::io::sink()).unwrap();
    assert!(measured.iter().all(|path| path.rounds[0].udp64.received > 1000), "{measured:?}");
}
