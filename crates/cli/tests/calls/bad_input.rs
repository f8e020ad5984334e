use std::fmt::Write;
use std::path::Path;

use lab::assert_golden;

use crate::kannas::kannas;

/// Nothing listens there: what is wrong is told before anyone is called.
const NOWHERE: [&str; 4] = ["--url", "http://127.0.0.1:1", "--password-file", "/nowhere/at/all"];

#[test]
fn flags_that_make_no_sense_get_one_clear_line() {
    let mut text = String::new();
    for line in [
        "",
        "frobnicate",
        "--frobnicate",
        "server --lisen 127.0.0.1:1",
        "server --listen here",
        "server --log-format loud",
        "server extra",
        "agent --server https://192.0.2.1:1 --underlay here",
        "agent --server https://192.0.2.1:1 --vxlan-port 70000",
        "agent --server https://192.0.2.1:1 --join a --join-file b",
        "port",
        "port ad",
        "port add --network a --host b",
        "port add --network a --host b --netns c --address 10.0.0.0/8",
        "port add --network a --host b --netns c --mac 01:00:00:00:00:00",
        "port add --network a --netns c",
        "port delete",
        "port list --host name",
        "host token",
        "host token --zone a --valid forever",
        "account create",
        "account create eve",
        "account create eve --password secret",
        "network create a --zone b",
        "network modify a --router b --no-router",
        "network modify a --dhcp maybe",
        "router create a --label plain",
        "router create a --static-route 10.0.0.0/8",
        "router modify a --label b=c --no-labels",
        "peering create a --network b",
        "peering show a --wait=broken",
        "peering show a --timeout soon",
        "peering list -o yaml",
        "completions csh",
    ] {
        let arguments: Vec<&str> = line.split(' ').filter(|it| !it.is_empty()).collect();
        let said = kannas(&arguments);
        assert_eq!((said.code, &*said.out), (2, ""), "{line}");
        // Without what to do it is a question for help, which comes first.
        let told = said.err.lines().last().unwrap();
        assert!(matches!(line, "" | "port") || said.err == format!("{told}\n"), "{}", said.err);
        writeln!(text, "{}\n{told}\n", format!("$ kannas {line}").trim_end()).unwrap();
    }
    for line in ["network modify a", "router modify a", "peering modify a"] {
        let arguments: Vec<&str> = line.split(' ').chain(NOWHERE).collect();
        let (code, told) = kannas(&arguments).failed();
        assert_eq!(code, 2, "{told}");
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bad-input.txt");
    assert_golden(golden, &text);
}

#[test]
fn an_url_without_sense_is_told_and_a_password_in_it_is_not() {
    for url in ["kannas.example", "ftp://kannas.example", "http://eve:secret@kannas.example"] {
        let (code, told) = kannas(&["zone", "list", "--url", url]).failed();
        assert_eq!(code, 2);
        assert!(told.contains("--url") && !told.contains("secret"), "{told}");
    }
}
