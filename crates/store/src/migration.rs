//! Versions of the tables, and the ways between them.

use crate::engine::Error;

/// From the version before it to its own, and back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    pub(crate) up: &'static str,
    pub(crate) down: &'static str,
}

/// What a migration has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// Versions before and after; 0 is an empty database.
    pub from: i64,
    pub to: i64,
}

/// The statements from version `found` to `to`, or to the newest.
///
/// # Errors
/// [`Error::TooNew`] and [`Error::NoVersion`].
pub(crate) fn way(
    migrations: &[Migration],
    found: i64,
    to: Option<i64>,
) -> Result<(Vec<&'static str>, Migrated), Error> {
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    if found > known || found < 0 {
        return Err(Error::TooNew { found, known });
    }
    let to = to.unwrap_or(known);
    if !(1..=known).contains(&to) {
        return Err(Error::NoVersion { to, known });
    }
    let between = |from: i64, to: i64| {
        let at = |n: i64| usize::try_from(n).unwrap_or(0);
        migrations.get(at(from)..at(to)).unwrap_or_default()
    };
    let up = between(found, to).iter().map(|it| it.up);
    let down = between(to, found.max(to)).iter().rev().map(|it| it.down);
    Ok((up.chain(down).collect(), Migrated { from: found, to }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Migration; 3] = [
        Migration { up: "+1", down: "-1" },
        Migration { up: "+2", down: "-2" },
        Migration { up: "+3", down: "-3" },
    ];

    #[test]
    fn the_way_leads_up_and_down_in_order_and_nowhere_that_there_is_nothing() {
        let steps = |found, to| way(&ALL, found, to).map(|(steps, _)| steps);
        assert_eq!(steps(0, None).unwrap(), ["+1", "+2", "+3"]);
        assert_eq!(steps(1, Some(2)).unwrap(), ["+2"]);
        assert_eq!(steps(3, Some(1)).unwrap(), ["-3", "-2"]);
        assert_eq!(steps(2, Some(2)).unwrap(), [""; 0]);
        assert_eq!(way(&ALL, 3, Some(1)).unwrap().1, Migrated { from: 3, to: 1 });
        for to in [-1, 0, 4] {
            assert!(matches!(steps(2, Some(to)), Err(Error::NoVersion { known: 3, .. })), "{to}");
        }
        assert!(matches!(steps(4, Some(1)), Err(Error::TooNew { found: 4, known: 3 })));
    }
}
