//! Stories in which encryption is turned on and off, and keys come and go.

use proptest::prelude::*;

use super::{End, Rotation};
use crate::op::Op;
use crate::play::{ZONE, create_port, host_id, step, told};

pub(crate) fn story_with_seals() -> impl Strategy<Value = Vec<Op>> {
    let port = (0..24u128, 0..6u128, 0..3u128);
    let port = port.prop_map(|(n, network, host)| vec![create_port(n, network, host)]);
    let step = prop_oneof![3 => step(), 2 => port, 3 => sealing()];
    told(proptest::collection::vec(step, 0..60))
}

fn sealing() -> impl Strategy<Value = Vec<Op>> {
    let seal = |on| {
        let zones = (ZONE.to_owned(), ZONE.to_owned());
        Op::Seals(crate::seal::Wish::Set { by: "a".to_owned(), zones, on, now: 0 })
    };
    let rotation = (1..4u64, 0..2u64, 0..2u64).prop_map(|(made, used, kept)| {
        let used = made.saturating_sub(used);
        let kept = used.saturating_sub(kept);
        vec![Op::Seals(crate::seal::Wish::Rotate(Rotation { made, used, kept, at: 0, since: 0 }))]
    });
    let keys = (0..3u128, proptest::collection::btree_map(1..4u64, 0..4u8, 0..3));
    let keys = keys.prop_map(|(host, ends)| {
        let end = |n: u8| End { key: [n; 32].into(), port: 51820 };
        let ends = Some(ends.into_iter().map(|(at, n)| (at, end(n))).collect());
        vec![Op::Seals(crate::seal::Wish::Keys { host: host_id(host), ends })]
    });
    prop_oneof![2 => any::<bool>().prop_map(move |on| vec![seal(on)]), 2 => rotation, 4 => keys]
}
