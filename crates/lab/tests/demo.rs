//! The demo as a program: how it ends, and that nothing is left of it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lab::site::{PATIENCE, kannas, leftovers};
use lab::{Process, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A whole demo takes 3 s on an idle machine.
const WHOLE: Duration = Duration::from_secs(120);

#[test]
fn it_plays_all_steps_and_leaves_nothing() {
    let mut demo = Demo::start(&[], &kannas().unwrap());
    let status = demo.process.wait(WHOLE).unwrap();
    let said = demo.said();
    assert!(status.success(), "{said}");
    assert!(!said.contains("FAILED") && !said.contains('\x1b'), "{said}");
    for wanted in [
        "pending-peer; 0 of ",
        "active; first packets ",
        "64 MiB, unchanged",
        "disabled; 0 of ",
        "204; 0 of ",
        "no namespace, link, pin, process or file is left",
        "| host hel in fi-hel1      |        VXLAN         | host fra in de-fra1      |",
    ] {
        assert!(said.contains(wanted), "{wanted} is not in {said}");
    }
    assert_eq!(leftovers(&demo.prefix()).unwrap(), [""; 0]);
}

#[test]
fn a_kept_demo_runs_until_it_is_interrupted() {
    let mut demo = Demo::start(&["--keep"], &kannas().unwrap());
    demo.says("Ctrl-C stops all");
    let said = demo.said();
    // The lines to try are tried as they stand.
    let (_, lines) = said.split_once("user=\"admin:").unwrap();
    let (script, _) = lines.split_once("  ip netns exec").unwrap();
    let script = format!("set -e; user=\"admin:{script}").replace("curl", "curl -sSf");
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    let answers = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{script}\n{answers}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(answers.contains(r#""state":"active""#), "{answers}");
    assert!(answers.contains(r#""state":"disabled""#), "{answers}");
    assert!(demo.process.alive());

    demo.signal(Signal::SIGINT);
    assert!(demo.process.wait(PATIENCE).unwrap().success(), "{}", demo.said());
    assert_eq!(leftovers(&demo.prefix()).unwrap(), [""; 0]);
}

#[test]
fn an_interrupted_demo_cleans_up_and_says_so_by_its_status() {
    let mut demo = Demo::start(&[], &kannas().unwrap());
    demo.says("host hel joins");
    demo.signal(Signal::SIGINT);
    assert_eq!(demo.process.wait(WHOLE).unwrap().code(), Some(130), "{}", demo.said());
    assert_eq!(leftovers(&demo.prefix()).unwrap(), [""; 0]);
}

#[test]
fn what_a_killed_demo_left_the_next_one_takes_away() {
    let mut killed = Demo::start(&["--keep"], &kannas().unwrap());
    killed.says("Ctrl-C stops all");
    let children = children_of(killed.process.pid());
    assert_eq!(children.len(), 3, "a server and two agents");
    killed.process.kill9().unwrap();
    eventually(PATIENCE, "its processes end with it", || {
        children.iter().all(|pid| !Path::new("/proc").join(pid).exists()).then_some(())
    })
    .unwrap();
    let prefix = killed.prefix();
    assert!(!leftovers(&prefix).unwrap().is_empty());
    let mut next = Demo::start(&[], &kannas().unwrap());
    assert!(next.process.wait(WHOLE).unwrap().success(), "{}", next.said());
    assert_eq!(leftovers(&prefix).unwrap(), [""; 0]);
}

#[test]
fn a_step_that_fails_is_named_and_the_status_says_so() {
    let mut demo = Demo::start(&[], Path::new("/bin/false"));
    assert_eq!(demo.process.wait(WHOLE).unwrap().code(), Some(1));
    let said = demo.said();
    assert!(said.contains("start the server") && said.contains("FAILED"), "{said}");
    assert!(said.contains("demo: ") && said.contains("no server after"), "{said}");
    assert_eq!(leftovers(&demo.prefix()).unwrap(), [""; 0]);
}

struct Demo {
    process: Process,
    folder: tempfile::TempDir,
}

impl Demo {
    fn start(arguments: &[&str], kannas: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
        command.args(arguments).env("KANNAS_BIN", kannas);
        let process = Process::start("demo", command, &folder.path().join("out")).unwrap();
        Self { process, folder }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("out")).unwrap()
    }

    fn says(&mut self, text: &str) {
        let said = eventually(WHOLE, &format!("the demo says {text}"), || {
            (self.said().contains(text) || !self.process.alive()).then(|| self.said())
        });
        let said = said.unwrap_or_else(|error| panic!("{error}: {}", self.said()));
        assert!(said.contains(text), "{said}");
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.pid().try_into().unwrap()), signal).unwrap();
    }

    /// Of all that it makes.
    fn prefix(&self) -> String {
        format!("kd-{}-", self.process.pid())
    }
}

fn children_of(pid: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let lists = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("children")));
    let all: String = lists.map(|list| list.unwrap_or_default()).collect();
    all.split_whitespace().map(str::to_owned).collect()
}
