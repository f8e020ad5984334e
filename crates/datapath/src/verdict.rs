//! The names of `enum verdict`, in its order.

/// What became of packets; `bpf/verdict.h` says what each means.
pub const VERDICTS: [&str; 20] = [
    "remote",
    "local",
    "delivered",
    "answered",
    "short",
    "protocol",
    "multicast",
    "no-such-port",
    "spoofed-mac",
    "spoofed-source",
    "no-route",
    "no-port",
    "ttl",
    "too-big",
    "tunnel",
    "foreign",
    "no-return",
    "wrong-vtep",
    "unsealed",
    "no-tunnel",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_program_in_its_order() {
        let header = include_str!("../bpf/verdict.h");
        let (_, list) = header.split_once("enum verdict {").unwrap();
        let lines = list.lines().map(str::trim).filter(|l| l.contains(',') && !l.starts_with("/*"));
        let names = lines.filter_map(|l| l.split_once(',')).map(|(name, _)| name);
        let names: Vec<String> = names.map(|n| n.to_lowercase().replace('_', "-")).collect();
        assert_eq!(names, VERDICTS);
    }
}
