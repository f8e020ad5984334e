//! `explain` and `explanation` of `/kannas/v1/explain`.

use serde::Serialize;

use super::Fields;
use crate::error::{Rule, Subject};
use crate::explain::{Outcome, Protocol, Question, Service, Step};

impl Question {
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, "explain")?;
        let it = Self {
            source: fields.required("source", Subject::Request)?,
            destination: fields.required("destination", Subject::Request)?,
            size: size(&mut fields)?,
            service: service(&mut fields)?,
        };
        fields.finish()?;
        Ok(it)
    }
}

/// Bytes of an IPv4 packet (RFC 791 §3.1), and no probe is smaller.
fn size(fields: &mut Fields) -> Result<Option<u16>, Rule> {
    let size: Option<u16> = fields.number("size", Subject::Request)?;
    match size {
        Some(0..100) => Err(fields.bad(Subject::Request, "size", "must be 100 to 65535")),
        size => Ok(size),
    }
}

fn service(fields: &mut Fields) -> Result<Option<Service>, Rule> {
    let protocol = fields.string("protocol", Subject::Request)?;
    let port: Option<u16> = fields.number("port", Subject::Request)?;
    let protocol = match protocol.as_deref() {
        None | Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        Some("icmp") if port.is_none() => return Ok(None),
        Some(_) => {
            let why = "must be tcp or udp, or icmp without a port";
            return Err(fields.bad(Subject::Request, "protocol", why));
        }
    };
    Ok(port.map(|port| Service { protocol, port }))
}

#[derive(Debug, Serialize)]
pub struct One {
    pub explanation: View,
}

#[derive(Debug, Serialize)]
pub struct View {
    /// None when nobody could say.
    pub reaches: Option<bool>,
    /// In the order of the way; the last is in the way if any is.
    pub steps: Vec<Step>,
}

impl View {
    pub fn new(steps: Vec<Step>) -> Self {
        let has = |outcome| steps.iter().any(|step| step.outcome == outcome);
        let good = |name| steps.iter().any(|it| it.step == name && it.outcome == Outcome::Good);
        // A packet of an agent's does not go through the programs on the ports' devices.
        let crossed = ["packet", "source-host", "destination-host"].into_iter().all(good);
        let reaches = if has(Outcome::Bad) { Some(false) } else { crossed.then_some(true) };
        Self { reaches, steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_by_its_name() {
        let question = |rest: &str| {
            let body = format!(r#"{{"explain":{{"source":"a","destination":"b"{rest}}}}}"#);
            Question::of_body(body.as_bytes())
        };
        let good = question(r#","size":1400,"protocol":"udp","port":53"#).unwrap();
        let service = Service { protocol: Protocol::Udp, port: 53 };
        assert_eq!((good.size, good.service), (Some(1400), Some(service)));
        assert_eq!(question(r#","protocol":"icmp""#).unwrap().service, None);
        for (rest, at) in [
            (r#","size":99"#, "explain.size"),
            (r#","size":70000"#, "explain.size"),
            (r#","protocol":"sctp""#, "explain.protocol"),
            (r#","protocol":"icmp","port":1"#, "explain.protocol"),
            (r#","port":"x""#, "explain.port"),
        ] {
            let Err(Rule::Bad { at: named, .. }) = question(rest) else { panic!("{rest}") };
            assert_eq!(named, at, "{rest}");
        }
    }
}
