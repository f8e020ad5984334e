use proptest::prelude::*;

use super::*;
use crate::host_spec::host_spec;
use crate::play::{Play, host_id};
use crate::seal::play::story_with_seals;

/// The slices of host 0 as a story goes on.
fn slices(steps: Vec<crate::op::Op>) -> Vec<HostSpec> {
    let mut play = Play::new();
    let slices = steps.into_iter().filter_map(|op| {
        play.op(&op).ok()?;
        Some(host_spec(&play.world, host_id(0)))
    });
    slices.collect()
}

/// As it comes out at the other end of a connection.
fn sent(line: &Line) -> Line {
    let text = serde_json::to_string(line).unwrap();
    let read = serde_json::from_str(&text).unwrap();
    assert_eq!(Line::parse(text.as_bytes()).unwrap(), read);
    read
}

fn mark(slice: &HostSpec) -> Line {
    Line::Mark { revision: slice.revision }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn an_agent_that_is_told_the_changes_has_the_slice(steps in story_with_seals()) {
        let mut assembly = Assembly::default();
        let mut old = HostSpec::default();
        for new in slices(steps) {
            for line in changes(&old, &new) {
                prop_assert_eq!(assembly.take(sent(&line)), None, "only a mark ends it");
            }
            prop_assert_eq!(assembly.take(Line::Idle), None);
            prop_assert_eq!(assembly.take(sent(&mark(&new))), Some(&new));
            prop_assert_eq!(changes(&new, &new).next(), None);
            old = new;
        }
    }

    #[test]
    fn a_snapshot_replaces_whatever_there_was(steps in story_with_seals()) {
        let slices = slices(steps);
        if let (Some(first), Some(last)) = (slices.first(), slices.last()) {
            let mut assembly = Assembly::from(last.clone());
            assembly.take(Line::Snapshot);
            for line in changes(&HostSpec::default(), first) {
                assembly.take(line);
            }
            prop_assert_eq!(assembly.take(mark(first)), Some(first));
        }
    }
}

#[test]
fn lines_are_words_that_both_ends_know() {
    let key = RouteKey { vni: 7.try_into().unwrap(), prefix: "10.0.0.2/32".parse().unwrap() };
    let vtep = [192, 0, 2, 1].into();
    for (line, want) in [
        (Line::Snapshot, r#"{"line":"snapshot"}"#),
        (Line::Idle, r#"{"line":"idle"}"#),
        (Line::Mark { revision: 7 }, r#"{"line":"mark","revision":7}"#),
        (Line::Tunnel { generation: 3 }, r#"{"line":"tunnel","generation":3}"#),
        (
            Line::NoPeer { key: PeerKey { generation: 3, vtep } },
            r#"{"line":"no-peer","generation":3,"vtep":"192.0.2.1"}"#,
        ),
        (
            Line::Seal { vtep, generation: 3 },
            r#"{"line":"seal","vtep":"192.0.2.1","generation":3}"#,
        ),
        (
            Line::NoPort { uuid: Uuid::from_u128(1) },
            r#"{"line":"no-port","uuid":"00000000-0000-0000-0000-000000000001"}"#,
        ),
        (Line::NoRoute { key }, r#"{"line":"no-route","key":{"vni":7,"prefix":"10.0.0.2/32"}}"#),
        (
            Line::Route { key, target: Target::Remote { vtep, vni: key.vni } },
            r#"{"line":"route","key":{"vni":7,"prefix":"10.0.0.2/32"},"target":{"to":"remote","vtep":"192.0.2.1","vni":7}}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&line).unwrap(), want);
        assert_eq!(sent(&line), line);
    }
    for bad in [r#"{"line":"route","key":{"vni":0}}"#, r#"{"line":"route"}"#, "{}", ""] {
        assert!(serde_json::from_str::<Line>(bad).is_err() && Line::parse(bad.as_bytes()).is_err());
    }
}

#[test]
fn reports_are_understood_by_older_servers_and_those_of_older_agents_by_us() {
    let report = serde_json::to_value(Report { revision: 7, ..Report::default() }).unwrap();
    assert_eq!(report["verdicts"], serde_json::json!({}), "it is required there");
    let older = r#"{"revision":7,"errors":[],"verdicts":{"local":5}}"#;
    let newer = r#"{"revision":7,"errors":[]}"#;
    for text in [older, newer] {
        assert_eq!(serde_json::from_str::<Report>(text).unwrap().revision, 7);
    }
}
