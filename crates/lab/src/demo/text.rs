//! The picture, and what to try.

use std::fmt::Write;

use super::stage::{MACHINES, Stage};
use crate::api::PEERINGS;
use crate::site::HOSTS;
use crate::stream::Tally;

/// Inside a box, in columns.
const WIDTH: usize = 26;
const BETWEEN: usize = 22;

/// Two hosts, side by side, with the cable above and the peering below.
pub(super) fn picture(stage: &Stage) -> String {
    let side = |index: usize| {
        let (host, zone) = HOSTS[index];
        let (machine, network, subnet) = MACHINES[index];
        let vtep = stage.site.host(host).map(|host| host.underlay.to_string()).unwrap_or_default();
        let address = stage.machines[index].end.address;
        [
            format!("host {host} in {zone}"),
            format!("VTEP {vtep}"),
            format!("network {network}"),
            subnet.to_owned(),
            format!("server {machine}, eth0"),
            format!("{address}"),
        ]
    };
    draw(&side(0), &side(1))
}

fn draw(left: &[String; 6], right: &[String; 6]) -> String {
    let mut text = String::new();
    let mut line = |a: &str, between: &str, b: &str| {
        let _ = writeln!(text, "  {a}{between:^BETWEEN$}{b}");
    };
    let edge = format!("+{:-<WIDTH$}+", "");
    let pipe = format!("  {:^width$}  ", "|", width = WIDTH - 2);
    let row = |text: &str| format!("| {text:<width$} |", width = WIDTH - 2);
    line(&edge, "", &edge);
    line(&row(&left[0]), "VXLAN", &row(&right[0]));
    line(&row(&left[1]), &format!("{:=<1$}", "", BETWEEN - 2), &row(&right[1]));
    line(&edge, "", &edge);
    line(&pipe, "", &pipe);
    line(&edge, "", &edge);
    line(&row(&left[2]), "peering", &row(&right[2]));
    line(&row(&left[3]), &format!("<{:-<1$}>", "", BETWEEN - 4), &row(&right[3]));
    line(&edge, "", &edge);
    line(&pipe, "", &pipe);
    line(&edge, "", &edge);
    line(&row(&left[4]), "packets", &row(&right[4]));
    line(&row(&left[5]), &format!("<{:-<1$}>", "", BETWEEN - 4), &row(&right[5]));
    line(&edge, "", &edge);
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Lines for another terminal.
pub(super) fn to_try(stage: &Stage) -> String {
    let server = &stage.site.server;
    let password = server.password_file();
    let url = format!("http://{}{PEERINGS}", server.api);
    let [web, db] = &stage.machines;
    let [half, _] = &stage.halves;
    format!(
        "  API      {url}
  user     admin
  password in {password}

  user=\"admin:$(cat {password})\"
  curl -u \"$user\" {url}
  curl -u \"$user\" '{url}?label=region=eu'
  curl -u \"$user\" -X PATCH -H 'Content-Type: application/json' {url}/{half} \\
    -d '{{\"network_peering\": {{\"configured_status\": \"disabled\"}}}}'
  ip netns exec {web} ping {db_address}
  ip netns exec {db} ping {web_address}

  Ctrl-C stops all and takes it away.",
        password = password.display(),
        web = web.end.netns.name(),
        db = db.end.netns.name(),
        db_address = db.end.address,
        web_address = web.end.address,
    )
}

pub(super) fn silence(tallies: [Tally; 2]) -> String {
    let [a, b] = tallies;
    format!("{} of {}, {} of {}", a.arrived, a.sent, b.arrived, b.sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_straight() {
        let side = |name: &str| std::array::from_fn(|line| format!("{name}{line}"));
        let picture = draw(&side("left"), &side("right"));
        let lines: Vec<&str> = picture.lines().collect();
        assert_eq!(lines.len(), 14);
        assert!(lines[1].contains("| left0 ") && lines[1].contains("VXLAN"), "{picture}");
        let boxed = lines.iter().filter(|line| line.ends_with(['|', '+']));
        let widths: std::collections::BTreeSet<usize> = boxed
            .filter(|line| line.contains("left") || line.contains("--+"))
            .map(|l| l.len())
            .collect();
        assert_eq!(widths.len(), 1, "{picture}");
    }
}
