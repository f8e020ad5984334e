//! A change of the maps' layout, while packets flow.
//!
//! The programs of an earlier agent run on, on maps of their own, until ours
//! are filled from the slice. Then each is replaced under its link, so that no
//! packet finds a device without a program or a program without its entries.
//! The older maps go last. A crash at any point leaves programs whose maps are
//! whole; the next agent begins again.

use aya::programs::loaded_programs;

use crate::Host;
use crate::error::Error;
use crate::programs::Programs;
use crate::tables::{Old, Tables};

impl Programs {
    /// Replaces what runs on the maps of `tables`, and takes down what does not.
    pub(crate) fn adopt(&mut self, tables: &Tables) -> Result<(), Error> {
        let maps = tables.id()?;
        let uses = |program: &aya::programs::ProgramInfo| {
            program.map_ids().ok().flatten().is_some_and(|ids| ids.contains(&maps))
        };
        // One that is unloaded meanwhile is none of ours, which links hold.
        let ours: Vec<u32> =
            loaded_programs().flatten().filter(uses).map(|program| program.id()).collect();
        for holder in self.pins().holders()? {
            match self.link_of(holder) {
                Some(link) if !ours.contains(&link.program_id()) => {
                    self.old.insert(holder);
                }
                Some(_) | None => self.replace(holder)?,
            }
        }
        if self.old.is_empty() { self.remove_other_maps() } else { Ok(()) }
    }

    fn remove_other_maps(&self) -> Result<(), Error> {
        let pins = self.pins();
        pins.other_maps()?.iter().try_for_each(|maps| pins.remove_maps(maps))
    }
}

impl Host {
    /// True while programs of another layout run, on their own maps: what the
    /// kernel does is what was asked of an earlier agent.
    pub fn is_another_layout(&self) -> bool {
        !self.programs.old.is_empty()
    }

    /// Puts our programs in place of those of another layout, now that the maps
    /// hold the slice. Nothing when there are none.
    ///
    /// # Errors
    /// Some may be in place; again is no harm.
    pub fn settle(&mut self) -> Result<(), Error> {
        if self.programs.old.is_empty() {
            return Ok(());
        }
        let mut counters = Vec::new();
        for maps in self.programs.pins().other_maps()? {
            // Half a directory has no counters, and no program.
            counters.extend(Old::open(&maps));
        }
        for old in &mut counters {
            old.carry(&mut self.tables)?;
        }
        while let Some(holder) = self.programs.old.first().copied() {
            self.programs.replace(holder)?;
            self.programs.old.remove(&holder);
        }
        // What they have counted since.
        for old in &mut counters {
            old.carry(&mut self.tables)?;
        }
        drop(counters);
        self.programs.remove_other_maps()
    }
}
