

pub mod agents;
