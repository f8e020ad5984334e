//! Server and agent do their work with the capabilities that their systemd units leave them, and no other.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs;

use lab::site::{Cabling, Confinement, PATIENCE, Pair, confine};
use lab::{eventually, faults, netns};

/// Numbers as linux/capability.h has them.
const NUMBERS: [(&str, u32); 5] = [
    ("CAP_NET_ADMIN", 12),
    ("CAP_NET_RAW", 13),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_PERFMON", 38),
    ("CAP_BPF", 39),
];

#[test]
fn packets_cross_encrypted_and_measured_with_the_capabilities_of_the_units_alone() {
    let [server, agent] = ["server", "agent"].map(allowed);
    assert!(server.is_empty(), "{server:?}");
    assert_eq!(agent.len(), 5, "{agent:?}");
    confine(Confinement { server: setpriv(&server), agent: setpriv(&agent) }).unwrap();
    let pair = Pair::start(&format!("{}caps", netns::prefix("kt")), Cabling::Switched).unwrap();
    is_held(pair.site.server.pid(), &server);
    for host in pair.site.hosts.values() {
        is_held(host.pid().unwrap(), &agent);
    }
    let [peering, _] = pair.peer().unwrap();
    pair.ping_both_ways(PATIENCE).unwrap();
    // By frames that the agents write, for which they need CAP_NET_RAW.
    faults::measured(&pair, &peering).unwrap();
    pair.encrypt().unwrap();
    pair.ping_both_ways(PATIENCE).unwrap();
    let generation = pair.key_generation().unwrap();
    let process = || pair.site.host("hel").unwrap().tunnel_process(generation).unwrap();
    is_held(eventually(PATIENCE, "a process encrypts", process).unwrap(), &agent);
}

/// As `CapabilityBoundingSet=` has them.
fn allowed(unit: &str) -> Vec<&'static str> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/systemd");
    let text = fs::read_to_string(format!("{root}/kannas-{unit}.service")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    let known: BTreeMap<_, _> = NUMBERS.into_iter().collect();
    let words = line.expect("the unit bounds them").split_whitespace();
    words.map(|word| *known.get_key_value(word).expect(word).0).collect()
}

/// Runs what follows as root with these, without a way to get more.
fn setpriv(capabilities: &[&str]) -> Vec<String> {
    let names: String = capabilities
        .iter()
        .map(|it| format!(",+{}", it.trim_start_matches("CAP_").to_lowercase()))
        .collect();
    ["setpriv".to_owned(), "--no-new-privs".to_owned(), format!("--bounding-set=-all{names}")]
        .into()
}

/// The process has exactly these.
fn is_held(pid: u32, capabilities: &[&str]) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap()
    };
    let numbers = NUMBERS.iter().filter(|(name, _)| capabilities.contains(name));
    let want = numbers.fold(0, |all, (_, number)| all | 1_u64 << number);
    for set in ["CapEff", "CapBnd"] {
        assert_eq!(field(set), want, "{set} of {pid}: {status}");
    }
    assert_eq!(field("NoNewPrivs"), 1);
}
