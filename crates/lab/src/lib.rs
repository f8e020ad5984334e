//! The proof: hosts made of network namespaces, whole sites of them under Kannas, waiting for conditions, golden files,
//! the demo, and a bench of packet paths.
//!
//! Development only: nothing of this is shipped. Everything that touches a namespace needs root and **fails**
//! without it, it never skips.
//!
//! Two habits keep a run from disturbing another one on the same machine:
//! - every namespace is named after a prefix that the caller made with [`netns::prefix`]: `kt-<pid>-` for tests,
//!   `kb-<pid>-` for the bench, `kd-<pid>-` for the demo; what a killed run left is found by that name
//!   ([`site::sweep_abandoned`]);
//! - a process enters a namespace by `setns(CLONE_NEWNET)` alone. `ip netns exec` would also give it a mount
//!   namespace with a fresh `/sys`, in which bpffs is hidden.

pub mod api;
pub mod balancer;
pub mod bench;
pub mod capture;
pub mod demo;
pub mod dhcp;
pub mod doorway;
pub mod eventually;
pub mod faults;
pub mod first_packet;
pub mod flows;
pub mod golden;
pub mod growth;
pub mod herd;
pub mod load;
mod mmsg;
pub mod netns;
pub mod paths;
pub mod ping;
pub mod postgres;
pub mod process;
pub mod raw;
pub mod relay;
pub mod restarts;
pub mod scale;
pub mod site;
pub mod snmp;
pub mod stock;
pub mod stream;
pub mod table;
pub mod tap;
pub mod traffic;
pub mod transfer;
pub mod tunnels;
pub mod twin;

mod cpu;

pub use cpu::Spent;
pub use eventually::eventually;
pub use golden::assert_golden;
pub use netns::Netns;
pub use paths::{Endpoint, Path};
pub use ping::ping;
pub use postgres::Cluster;
pub use process::Process;
pub use relay::Relay;
pub use site::Site;
pub use stream::Stream;
