//! A kernel that takes what it is told, or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agent::{BoxError, Kernel};
use model::plan::{Step, after};
use model::spec::{HostState, Routes};

#[derive(Default)]
pub(crate) struct Fake {
    state: HostState,
    broken: Arc<AtomicBool>,
}

impl Fake {
    pub(crate) fn new(broken: &Arc<AtomicBool>) -> Self {
        Self { state: HostState::default(), broken: broken.clone() }
    }
}

impl Kernel for Fake {
    fn observe(&mut self, _: &Routes) -> Result<HostState, BoxError> {
        Ok(self.state.clone())
    }

    fn apply(&mut self, step: &Step) -> Result<(), BoxError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err("no such device".into());
        }
        after(&mut self.state, step);
        Ok(())
    }
}
