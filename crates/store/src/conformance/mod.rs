//! What every engine must do, as one suite. An engine's tests implement
//! [`Database`] and call [`conformance!`].

pub(crate) mod damage;
pub(crate) mod memory;
pub(crate) mod order;
pub(crate) mod records;

use model::op::Op;
use model::world::World;

use crate::engine::{Engine, Error};
use crate::{Commit, Store, WriteError};

/// A database of an engine under test. It is empty at first, and ends with
/// the value.
pub(crate) trait Database: Send + Sync + 'static {
    type Engine: Engine + 'static;

    fn new() -> Self;

    /// As a process that starts does.
    fn open(&self) -> Result<Self::Engine, Error>;

    /// Runs SQL behind the engine's back.
    fn execute(&self, sql: &str);

    /// All rows of all our tables, as text, in order.
    fn rows(&self) -> Vec<String>;

    /// Lifts what keeps others from changing the log, or doing damage.
    fn unguard(&self);

    /// Makes it one that a program with one more migration has written.
    fn become_newer(&self);
}

/// Makes a test of each case for one database.
macro_rules! conformance {
    ($database:ty) => {
        $crate::conformance::cases! { $database:
            order::{
                revisions_have_no_gap_under_many_writers,
                concurrent_writers_are_decided_one_after_the_other,
                groups_replayed_in_order_give_every_world_that_was_seen,
                an_answer_is_seen_by_every_later_reader,
            }
            memory::{
                a_refusal_leaves_no_trace,
                a_wish_that_changes_nothing_leaves_no_trace,
                reopening_gives_the_identical_world,
                changes_and_deletes_survive,
                a_name_can_be_used_again_after_its_end,
                any_text_survives,
            }
            damage::{
                a_database_of_a_newer_program_is_refused_untouched,
                an_object_that_cannot_be_read_is_named,
                an_object_under_a_wrong_name_is_named,
                an_object_that_is_there_twice_is_named,
            }
            records::{
                every_write_is_written_down_with_its_origin_and_a_refusal_is_not,
                the_log_is_read_from_either_end_and_by_what_it_says,
                what_was_written_down_gives_back_every_world,
                a_time_has_its_revision,
                what_is_too_old_is_forgotten_and_the_rest_still_holds_together,
                a_record_that_was_changed_or_taken_out_is_found,
                a_log_that_does_not_end_with_the_newest_write_stops_the_start,
            }
        }
    };
}

macro_rules! cases {
    ($database:ty: $($group:ident::{$($case:ident,)*})*) => {$($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::conformance::$group::$case(<$database>::new()).await;
        }
    )*)*};
}

pub(crate) use {cases, conformance};

fn open(database: &impl Database) -> Store {
    Store::start(database.open().unwrap()).unwrap()
}

/// All of a world, indexes included, as text. What has a secret keeps back more
/// than that from `Debug`, so it is told apart.
fn picture(world: &World) -> String {
    let subs = world.accounts.keys().flat_map(|main| world.credentials().subs_of(main));
    let kept_back = serde_json::json!({
        "authority": world.authority(),
        "accounts": world.accounts.values().collect::<Vec<_>>(),
        "subs": subs.collect::<Vec<_>>(),
        "webhooks": world.webhooks.values().collect::<Vec<_>>(),
    });
    format!("{kept_back:#} {world:#?}")
}

async fn write(store: &Store, op: Op) -> std::sync::Arc<Commit> {
    let shown = format!("{op:?}");
    store.write(op).await.unwrap_or_else(|e| panic!("{e:?} for {shown}"))
}

async fn write_all(store: &Store, ops: impl IntoIterator<Item = Op>) {
    for op in ops {
        write(store, op).await;
    }
}

fn rule(result: Result<std::sync::Arc<Commit>, WriteError>) -> model::error::Rule {
    match result {
        Err(WriteError::Rule(rule)) => rule,
        Err(WriteError::Store(error)) => panic!("{error:?}, not a rule"),
        Ok(commit) => panic!("{:?} was done", commit.changes),
    }
}
