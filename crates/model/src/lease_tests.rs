use super::*;
use crate::consent::Patience;
use crate::host_spec::host_spec;
use crate::play::{Play, half_id, host_id, peered, port_id};
use crate::spec::Target;
use crate::state::{Presence, Standing, State, judge};

fn claim(epoch: Option<Revision>) -> Claim {
    Claim { epoch, boot: "b".to_owned(), node: None }
}

fn take_by(play: &mut Play, claim: &Claim) -> Lease {
    let changes = take(&play.world, host_id(0), claim).unwrap();
    play.world.commit(&changes);
    Lease::clone(&play.world.leases[&host_id(0)])
}

fn lose_it(play: &mut Play, epoch: Revision) -> Vec<Change> {
    let changes = lose(&play.world, &[Loss { host: host_id(0), epoch, since: 77 }]);
    play.world.commit(&changes);
    changes
}

#[test]
fn a_host_that_holds_a_lease_goes_on_and_all_others_get_a_larger_epoch() {
    let mut play = Play::new();
    let first = take_by(&mut play, &claim(None));
    assert_eq!(first.epoch, play.world.revision());
    assert_eq!(take(&play.world, host_id(0), &claim(Some(first.epoch))), Ok(vec![]));
    let rebooted = Claim { boot: "c".to_owned(), ..claim(Some(first.epoch)) };
    let old_disk = claim(Some(first.epoch - 1));
    let mut last = first.epoch;
    for other in [claim(None), rebooted, old_disk] {
        let next = take_by(&mut play, &other).epoch;
        assert!(next > last, "{other:?}");
        last = next;
    }
    let ahead = take_by(&mut play, &claim(Some(last + 1000)));
    assert_eq!(ahead.epoch, last + 1001, "this memory is a backup");
    let nobody = take(&play.world, Uuid::nil(), &claim(None));
    assert!(matches!(nobody, Err(Rule::Absent(Noun::Host, _))));
}

#[test]
fn a_lost_lease_is_not_found_again() {
    let mut play = Play::new();
    let first = take_by(&mut play, &claim(None));
    assert_eq!(lose_it(&mut play, first.epoch).len(), 1);
    assert!(play.world.is_lost(host_id(0)));
    assert_eq!(lose_it(&mut play, first.epoch), [], "once");
    let next = take_by(&mut play, &claim(Some(first.epoch)));
    assert!(next.epoch > first.epoch && next.since == play.world.revision());
    assert_eq!(lose_it(&mut play, first.epoch), [], "it has a newer one");
    assert!(!play.world.is_lost(host_id(0)));
}

fn judged(play: &Play, presence: &Presence) -> (State, Vec<(&'static str, String)>) {
    let half = &play.world.peerings[&half_id(0, 2)];
    let (state, reasons) = judge(&play.world, presence, Patience::default(), half);
    (state, reasons.into_iter().map(|it| (it.code, it.message)).collect())
}

#[test]
fn what_is_sent_to_a_lost_host_is_withdrawn_from_all_but_itself_and_comes_back() {
    let mut play = peered();
    let routes_to_0 = |play: &Play, host| {
        let spec = host_spec(&play.world, host_id(host));
        let address = play.world.ports[&port_id(0)].address;
        spec.routes
            .into_iter()
            .filter(|(key, target)| {
                key.prefix.is_host() && key.prefix.address() == address && *target != Target::Nobody
            })
            .count()
    };
    let lease = take_by(&mut play, &claim(None));
    let (own, far) = (routes_to_0(&play, 0), routes_to_0(&play, 1));
    assert!(own > 0 && far > 0);
    lose_it(&mut play, lease.epoch);
    assert_eq!((routes_to_0(&play, 0), routes_to_0(&play, 1)), (own, 0));
    take_by(&mut play, &claim(Some(lease.epoch)));
    assert_eq!((routes_to_0(&play, 0), routes_to_0(&play, 1)), (own, far));
}

#[test]
fn a_peering_of_a_lost_host_is_in_error_and_says_which_host_and_since_when() {
    let mut play = peered();
    let nobody = Presence::default();
    assert_eq!(judged(&play, &nobody), (State::Active, vec![]));
    let lease = take_by(&mut play, &claim(None));
    assert_eq!(judged(&play, &nobody), (State::Active, vec![]));
    lose_it(&mut play, lease.epoch);
    let message = "Host h0 has not renewed its lease since 1970-01-01T00:01:17Z: \
                   nothing is sent to it.";
    let lost = (State::Error, vec![("host-lost", message.to_owned())]);
    assert_eq!(judged(&play, &nobody), lost);

    let back = take_by(&mut play, &claim(Some(lease.epoch)));
    let at = |applied| Standing { applied: Some(applied), ..Standing::default() };
    let presence = |applied| -> Presence {
        [(host_id(0), at(back.epoch)), (host_id(1), at(applied))].into_iter().collect()
    };
    let (state, _) = judged(&play, &presence(back.since - 1));
    assert_eq!(state, State::Provisioning, "the far host has yet to have its routes again");
    assert_eq!(judged(&play, &presence(back.since)), (State::Active, vec![]));
}

#[test]
fn a_host_that_is_deleted_takes_its_lease_along() {
    let mut play = Play::new();
    take_by(&mut play, &claim(None));
    play.must(crate::op::Op::DeleteHost { by: "a".to_owned(), id: "h0".to_owned() });
    assert!(play.world.leases.is_empty());
}

#[test]
fn a_host_that_comes_to_another_server_has_a_larger_epoch_and_keeps_its_slice() {
    let mut play = Play::new();
    let at = |node, epoch| Claim { node: Some(Uuid::from_u128(node)), ..claim(epoch) };
    let first = take_by(&mut play, &at(1, None));
    let (before, moved) = (play.world.clone(), at(2, Some(first.epoch)));
    let second = take_by(&mut play, &moved);
    assert!(second.epoch > first.epoch && second.since == first.since);
    assert_eq!(second.node, Some(Uuid::from_u128(2)));
    assert!(goes_on(&before, &second, &moved), "it was never lost");
    assert!(!goes_on(&before, &second, &at(2, None)), "it does not say what it has");
    let rebooted = Claim { boot: "c".to_owned(), ..moved.clone() };
    assert!(!goes_on(&before, &second, &rebooted));

    let (before, back) = (play.world.clone(), at(1, Some(second.epoch)));
    lose_it(&mut play, second.epoch);
    let third = take_by(&mut play, &back);
    assert!(!goes_on(&before, &third, &back), "it was lost between two looks");
    assert!(!goes_on(&play.world, &third, &back));
}
