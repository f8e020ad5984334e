//! What was measured, in words.

use model::wire::health::HealthView;

/// One line.
pub(crate) fn text(it: &HealthView) -> String {
    if !it.measured {
        return "not measured".to_owned();
    }
    let mut parts = vec![match it.reachable {
        Some(true) => "packets cross".to_owned(),
        Some(false) | None => "packets do not cross".to_owned(),
    }];
    parts.extend(it.loss.map(|loss| format!("loss {}", percent(loss))));
    parts.extend(it.rtt_us.map(|us| format!("round trip {us} us")));
    parts.extend(it.path_mtu.map(|mtu| format!("largest packet {mtu} bytes")));
    parts.extend(it.time_to_first_packet_ms.map(|ms| format!("first packet after {ms} ms")));
    let at = it.measured_at.as_ref().map(|at| format!(" ({at})")).unwrap_or_default();
    parts.join(", ") + &at
}

pub(crate) fn percent(part: f32) -> String {
    format!("{:.1} %", part * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_left_out() {
        assert_eq!(text(&HealthView::default()), "not measured");
        let it = HealthView { measured: true, reachable: Some(false), ..HealthView::default() };
        assert_eq!(text(&it), "packets do not cross");
        let it = HealthView {
            measured: true,
            reachable: Some(true),
            loss: Some(0.016),
            rtt_us: Some(57),
            path_mtu: 1450.try_into().ok(),
            measured_at: Some("2026-11-25T04:00:00Z".to_owned()),
            time_to_first_packet_ms: Some(4),
        };
        assert_eq!(
            text(&it),
            "packets cross, loss 1.6 %, round trip 57 us, largest packet 1450 bytes, \
             first packet after 4 ms (2026-11-25T04:00:00Z)"
        );
    }
}
