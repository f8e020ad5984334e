//! Power cuts of a disk that lies about what it has written: of each sector of
//! the database there may be an older state after it.

use std::fs;
use std::path::Path;

use model::op::Op;
use tempfile::TempDir;

use crate::Store;
use crate::engine::Error;
use crate::wishes::{delete_router, found, id, rename_router, router};

const SECTOR: usize = 512;
const FILES: [&str; 2] = ["kannas.db", "kannas.db-wal"];
const LOCK: &str = "kannas.lock";

/// SplitMix64, as in the server's schedules of faults.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

fn read(dir: &Path, file: &str) -> Vec<u8> {
    fs::read(dir.join(file)).unwrap_or_default()
}

async fn write_some(store: &Store, dice: &mut Dice) {
    for _ in 0..=dice.below(30) {
        let n = u128::from(dice.below(40));
        let op: Op = match dice.below(4) {
            0 => delete_router(id(n)),
            1 => rename_router(id(n), &"n".repeat(usize::try_from(dice.below(200)).unwrap())),
            _ => router(id(n)),
        };
        // Of one that there is or is not; a refusal is none of this.
        if !(store.world().routers.contains_key(&id(n)) && op == router(id(n))) {
            let _ = store.write(op).await;
        }
    }
}

/// Each sector as it is or as it was: `lost` in 16 are old.
fn cut(dice: &mut Dice, lost: u64, old: &[u8], new: &[u8]) -> Vec<u8> {
    let length = if dice.below(16) < lost { old.len() } else { new.len() };
    let mut disk = Vec::new();
    for start in (0..length).step_by(SECTOR) {
        let sector = |of: &[u8]| {
            let mut it = of.get(start..of.len().min(start + SECTOR)).unwrap_or_default().to_vec();
            it.resize(SECTOR.min(length - start), 0);
            it
        };
        disk.extend(if dice.below(16) < lost { sector(old) } else { sector(new) });
    }
    disk
}

enum Outcome {
    AllThere,
    Lost,
    Damaged,
}

async fn power_cut(seed: u64) -> Outcome {
    let (dir, mut dice) = (TempDir::new().unwrap(), Dice(seed));
    let mut store = Store::open(dir.path()).unwrap();
    store.write(found()).await.unwrap();
    write_some(&store, &mut dice).await;
    let old = FILES.map(|file| read(dir.path(), file));
    if dice.below(2) == 0 {
        // The log has been moved into the file.
        drop(store);
        store = Store::open(dir.path()).unwrap();
    }
    write_some(&store, &mut dice).await;
    store.write(router(id(1000))).await.unwrap();
    let acknowledged = format!("{:?}", store.world());
    let new = FILES.map(|file| read(dir.path(), file));
    let after = TempDir::new().unwrap();
    fs::write(after.path().join(LOCK), read(dir.path(), LOCK)).unwrap();
    let lost = [0, 1, 4, 16][usize::try_from(dice.below(4)).unwrap()];
    for ((file, old), new) in FILES.iter().zip(&old).zip(&new) {
        fs::write(after.path().join(file), cut(&mut dice, lost, old, new)).unwrap();
    }
    match Store::open(after.path()) {
        Ok(store) => {
            assert_eq!(
                format!("{:?}", store.world()),
                acknowledged,
                "seed {seed}: lost in silence"
            );
            Outcome::AllThere
        }
        Err(Error::Lost { found, acknowledged, .. }) => {
            assert!(found < acknowledged);
            Outcome::Lost
        }
        Err(_) => Outcome::Damaged,
    }
}

#[tokio::test]
async fn what_a_disk_has_lost_is_said_and_never_passed_over() {
    let (mut all_there, mut lost, mut damaged) = (0, 0, 0);
    for seed in 0..120 {
        match power_cut(seed).await {
            Outcome::AllThere => all_there += 1,
            Outcome::Lost => lost += 1,
            Outcome::Damaged => damaged += 1,
        }
    }
    assert!(all_there > 10 && lost > 10 && damaged > 10, "{all_there} {lost} {damaged}");
}

#[tokio::test]
async fn an_older_copy_is_not_taken_for_the_newest_unless_the_operator_says_so() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.write(found()).await.unwrap();
    drop(store);
    let old = read(dir.path(), FILES[0]);
    let store = Store::open(dir.path()).unwrap();
    store.write(router(id(1))).await.unwrap();
    drop(store);
    fs::write(dir.path().join(FILES[0]), old).unwrap();
    let error = Store::open(dir.path()).err();
    assert!(matches!(error, Some(Error::Lost { found: 1, acknowledged: 2, .. })), "{error:?}");
    fs::remove_file(dir.path().join(LOCK)).unwrap();
    assert_eq!(Store::open(dir.path()).unwrap().world().revision(), 1);
}
