use std::net::{TcpListener, TcpStream};

use super::*;

fn named(test: &str) -> String {
    format!("{}{test}", prefix("kt"))
}

fn exists(name: &str) -> bool {
    Path::new(FOLDER).join(name).exists()
}

#[test]
fn a_namespace_lives_as_long_as_its_owner() {
    let name = named("life");
    let netns = Netns::new(&name).unwrap();
    assert!(exists(&name));
    assert!(netns.ip("-br link show lo").unwrap().contains("UP"));
    drop(netns);
    assert!(!exists(&name));
}

#[test]
fn two_namespaces_with_a_link_reach_each_other_and_a_third_does_not() {
    let (a, b) = (Netns::new(named("two-a")).unwrap(), Netns::new(named("two-b")).unwrap());
    let stranger = Netns::new(named("two-c")).unwrap();
    link(&a, "to-b", &b, "to-a").unwrap();
    a.ip("addr add 192.0.2.1/30 dev to-b").unwrap();
    b.ip("addr add 192.0.2.2/30 dev to-a").unwrap();
    let listener = b.run(|| TcpListener::bind("192.0.2.2:0")).unwrap().unwrap();
    let address = listener.local_addr().unwrap();
    a.run(|| TcpStream::connect(address)).unwrap().unwrap();
    stranger.run(|| TcpStream::connect(address)).unwrap().unwrap_err();
}

#[test]
fn a_command_changes_its_network_and_keeps_its_mounts() {
    let netns = Netns::new(named("cmd")).unwrap();
    let links = |command: &mut Command| {
        String::from_utf8(
            command.args(["/proc/self/ns/net", "/proc/self/ns/mnt"]).output().unwrap().stdout,
        )
        .unwrap()
    };
    let (inside, outside) =
        (links(&mut netns.command("readlink")), links(&mut Command::new("readlink")));
    let (inside, outside): (Vec<&str>, Vec<&str>) =
        (inside.lines().collect(), outside.lines().collect());
    assert_ne!(inside[0], outside[0]);
    assert_eq!(inside[1], outside[1]);
}

#[test]
fn a_refusal_of_ip_reads_like_a_shell_session() {
    let netns = Netns::new(named("err")).unwrap();
    let error = netns.ip("link set nobody up").unwrap_err().to_string();
    let start = format!("$ [{}] ip link set nobody up\n", netns.name());
    assert!(error.starts_with(&start) && error.contains("Cannot find device"), "{error}");
}

#[test]
fn a_parameter_is_set_in_this_namespace_only() {
    let netns = Netns::new(named("sysctl")).unwrap();
    let forward = || std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    let before = forward();
    netns.sysctl("net/ipv4/ip_forward", "1").unwrap();
    assert_eq!(netns.run(forward).unwrap(), "1\n");
    assert_eq!(forward(), before);
}

#[test]
fn a_sweep_takes_what_has_the_prefix_and_nothing_else() {
    let kept = Netns::new(named("kept")).unwrap();
    let lost = named("swept-1");
    std::mem::forget(Netns::new(&lost).unwrap());
    assert_eq!(sweep(&named("swept")).unwrap(), std::slice::from_ref(&lost));
    assert!(!exists(&lost) && exists(kept.name()));
    sweep("").unwrap_err();
}

#[test]
fn what_a_dead_run_left_is_swept_and_what_a_living_one_has_stays() {
    // Above the kernel's limit of process numbers (2^22), so never alive.
    let family = format!("kt-{}-ab", std::process::id());
    let (dead, alive) =
        (format!("{family}-4194999-x"), format!("{family}-{}-x", std::process::id()));
    std::mem::forget(Netns::new(&dead).unwrap());
    let _alive = Netns::new(&alive).unwrap();
    assert_eq!(sweep_abandoned(&family).unwrap(), [dead]);
    assert!(exists(&alive));
}

#[test]
fn a_panic_inside_comes_out() {
    let netns = Netns::new(named("panic")).unwrap();
    let result =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| netns.run(|| panic!("inside"))));
    assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"inside"));
}
