use super::*;

const ONE: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);
const HOST: Uuid = Uuid::from_u128(7);

fn told(epoch: Revision) -> Line {
    Line::Host(Box::new(Told {
        host: HOST,
        at: 5,
        epoch: Some(epoch),
        live: true,
        floor: None,
        waiting_ms: 0,
        errors: vec![],
        repairs: Repairs::default(),
        anew: true,
        ways: vec![],
        gone: vec![],
    }))
}

/// Both are heard.
fn both() -> Far {
    let mut far = Far::default();
    far.expect(&[ONE, OTHER].into(), 0);
    for node in [ONE, OTHER] {
        far.take(node, Line::Snapshot, 5, 0);
        far.take(node, Line::At { revision: 5 }, 5, 0);
    }
    far
}

fn place(far: &Far) -> Option<Uuid> {
    far.find(HOST).map(|(node, _)| node)
}

#[test]
fn a_host_is_where_it_has_its_newest_lease() {
    let mut far = both();
    far.take(ONE, told(3), 5, 0);
    far.take(OTHER, told(4), 5, 0);
    assert_eq!(place(&far), Some(OTHER));
    far.take(OTHER, told(2), 5, 0);
    assert_eq!(place(&far), Some(ONE));
    far.take(ONE, Line::Gone { host: HOST }, 5, 0);
    assert_eq!(place(&far), Some(OTHER));
}

#[test]
fn what_a_server_said_is_believed_for_a_moment_after_its_stream_broke() {
    let mut far = both();
    far.take(ONE, told(3), 5, 0);
    far.broke(ONE, 100);
    assert_eq!(place(&far), Some(ONE));
    assert!(far.is_unsure(100) && !far.is_unsure(100 + DRIFT_MS));
    assert_eq!(far.give_up(ONE), [HOST].into());
    assert_eq!(place(&far), None);

    far.take(ONE, Line::Snapshot, 5, 200);
    far.take(ONE, told(3), 5, 200);
    assert!(far.take(ONE, Line::At { revision: 6 }, 5, 200).is_empty());
    assert!(!far.is_unsure(201));
    assert!(far.give_up(ONE).is_empty(), "it is heard again");
    far.take(ONE, Line::Snapshot, 5, 300);
    assert_eq!(place(&far), Some(ONE), "the snapshot is not over");
    assert_eq!(far.take(ONE, Line::At { revision: 6 }, 5, 300), [HOST].into());
    assert_eq!(place(&far), None, "it has not said it again");
}

#[test]
fn the_hosts_of_a_server_that_is_no_more_are_nowhere() {
    let mut far = both();
    far.take(ONE, told(3), 5, 0);
    assert_eq!(far.expect(&[OTHER].into(), 0), [HOST].into());
    assert_eq!(place(&far), None);
    assert!(far.take(ONE, told(3), 5, 0).is_empty());
    assert_eq!(place(&far), None, "it is not one of us");
}
