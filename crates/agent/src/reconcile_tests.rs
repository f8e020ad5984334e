use std::cell::RefCell;
use std::rc::Rc;

use model::spec::{Condition, RouteKey, Target};
use uuid::Uuid;

use super::*;
use crate::probe::{Concerns, sample};

#[test]
fn a_route_deleted_behind_our_back_returns() {
    let kernel = Fake::default();
    let now = Instant::now();
    let mut reconciler = Reconciler::new(kernel.clone(), now);
    let pass = reconciler.pass(&want(), now);
    assert_eq!(kernel.0.borrow().state.routes, want().routes);
    kernel.0.borrow_mut().state.routes.clear();

    assert!(now + OFTEN <= pass.again && pass.again <= now + RESYNC);
    assert!(pass.report.repairs.is_none());
    let next = reconciler.pass(&want(), pass.again);
    assert_eq!(kernel.0.borrow().state.routes, want().routes);
    let repairs = next.report.repairs;
    let last = ["set route vni 7 10.0.0.0/24 to nobody".to_owned()];
    assert_eq!((repairs.count, repairs.last.as_slice()), (1, last.as_slice()));
    let later = reconciler.pass(&want(), next.again);
    assert_eq!(later.report.repairs.count, 1, "once");
}

#[test]
fn news_have_the_kernel_read_out_of_turn_unless_something_has_failed() {
    let kernel = Fake::default();
    let now = Instant::now();
    let mut reconciler = Reconciler::new(kernel.clone(), now);
    reconciler.pass(&want(), now);
    let news = News::default();
    assert_eq!(reconciler.heed_news(&news, now), None);
    news.put();
    let at = reconciler.heed_news(&news, now).unwrap();
    assert!(at < now + OFTEN);
    assert_eq!(reconciler.heed_news(&news, now), None, "once");
    kernel.0.borrow_mut().state.routes.clear();
    let pass = reconciler.pass(&want(), at);
    assert_eq!((kernel.0.borrow().observed, pass.report.repairs.count), (2, 1));

    kernel.0.borrow_mut().state.routes.clear();
    kernel.0.borrow_mut().refuse_routes = true;
    let later = pass.again + RESYNC;
    reconciler.pass(&want(), later);
    news.put();
    assert_eq!(reconciler.heed_news(&news, later), None, "its own failures make news");
}

#[test]
fn what_others_do_while_ports_get_another_mtu_is_told_and_the_mtu_is_not() {
    let kernel = Fake::default();
    let now = Instant::now();
    let (desk, port) = (Desk::new(), Uuid::from_u128(1));
    let mut want = want();
    want.ports.insert(port, sample::port(7, [10, 0, 0, 2], "10.0.0.0/24"));
    let mut reconciler = Reconciler::new(kernel.clone(), now);
    reconciler.pass(&want, now);
    for (others, told) in [(false, 0), (true, 1)] {
        desk.concern(Concerns { limits: true, lost: false });
        let differs = Condition::Broken(datapath::MTU_DIFFERS.to_owned());
        kernel.0.borrow_mut().state.ports.insert(port, differs);
        if others {
            kernel.0.borrow_mut().state.routes.clear();
        }
        let at = reconciler.heed(&desk, now).unwrap();
        let pass = reconciler.pass(&want, at);
        assert_eq!(pass.report.repairs.count, told);
        assert_eq!(kernel.0.borrow().state.routes, want.routes);
        assert!(matches!(kernel.0.borrow().state.ports[&port], Condition::Whole(_)));
    }
}

#[test]
fn what_others_did_is_told_until_the_server_has_heard_of_it_and_a_second_more() {
    let kernel = Fake::default();
    let now = Instant::now();
    let desk = Desk::new();
    let mut reconciler = Reconciler::new(kernel.clone(), now);
    let first = reconciler.pass(&want(), now);
    kernel.0.borrow_mut().state.routes.clear();
    let pass = reconciler.pass(&want(), first.again);
    assert_eq!((pass.report.errors.len(), pass.repaired.len()), (1, 1));
    let later = first.again + RESYNC;
    assert_eq!(reconciler.heed_told(&desk), None);
    assert_eq!(reconciler.pass(&want(), later).report.errors.len(), 1, "nobody was there");

    assert!(desk.hear(1, later) && !desk.hear(1, later + RESYNC));
    let until = reconciler.heed_told(&desk).unwrap();
    assert!(until > later);
    let pass = reconciler.pass(&want(), later);
    assert_eq!((pass.report.errors.len(), pass.again <= until), (1, true));
    let pass = reconciler.pass(&want(), until);
    assert_eq!((pass.report.errors.len(), pass.repaired.len()), (0, 0));
}

#[test]
fn of_many_repairs_the_newest_are_told() {
    let mut repairs = model::wire::agent::Repairs::default();
    (0..100).for_each(|n| repairs.add(&n.to_string()));
    assert_eq!((repairs.count, repairs.last.len()), (100, 16));
    assert_eq!(repairs.last.last().unwrap(), "99");
}

#[test]
fn between_two_full_readings_the_kernel_is_not_read() {
    let kernel = Fake::default();
    let now = Instant::now();
    let mut reconciler = Reconciler::new(kernel.clone(), now);
    for ms in 0..200 {
        reconciler.pass(&want(), now + Duration::from_millis(10 * ms));
    }
    assert_eq!(kernel.0.borrow().observed, 1);
    assert_eq!(kernel.0.borrow().applied, 2, "the vtep and the route, once");
}

#[test]
fn a_reading_that_had_to_wait_makes_the_next_no_later() {
    let kernel = Fake::default();
    kernel.0.borrow_mut().slow = Duration::from_millis(200);
    let now = Instant::now();
    let mut reconciler = Reconciler::new(kernel.clone(), now);
    let pass = reconciler.pass(&want(), now);
    assert!(now.elapsed() >= Duration::from_millis(200));
    assert!(pass.again < now + Duration::from_millis(200) * HUNDRED, "{:?}", pass.again - now);
    let news = News::default();
    news.put();
    let at = reconciler.heed_news(&news, now).unwrap();
    assert!(at < now + Duration::from_millis(200) * SHARE, "{:?}", at - now);
}

#[test]
fn a_failed_step_is_reported_with_its_network_and_tried_again() {
    let kernel = Fake::default();
    kernel.0.borrow_mut().refuse_routes = true;
    let now = Instant::now();
    let mut reconciler = Reconciler::new(kernel.clone(), now);
    let pass = reconciler.pass(&want(), now);
    let message = "set route vni 7 10.0.0.0/24 to nobody: it failed: no memory".to_owned();
    assert_eq!(pass.report.errors, [Fault::new(Some(7.try_into().unwrap()), message)]);
    assert_eq!(kernel.0.borrow().state.vtep, Condition::Whole(()), "the others are taken");
    assert_eq!(pass.again, now + FIRST_RETRY);

    let second = reconciler.pass(&want(), pass.again);
    assert_eq!(second.again, pass.again + 2 * FIRST_RETRY);
    kernel.0.borrow_mut().refuse_routes = false;
    let third = reconciler.pass(&want(), second.again);
    assert!(third.report.errors.is_empty());
    assert_eq!(kernel.0.borrow().observed, 3, "after a failure nothing is taken for granted");
    assert!(second.again + OFTEN <= third.again);
}

#[test]
fn a_kernel_that_cannot_be_read_is_not_written() {
    let kernel = Fake::default();
    kernel.0.borrow_mut().blind = true;
    let now = Instant::now();
    let mut reconciler = Reconciler::new(kernel.clone(), now);
    let pass = reconciler.pass(&want(), now);
    assert_eq!(pass.report.errors[0].message, "cannot read the kernel: it failed: no memory");
    assert_eq!(kernel.0.borrow().applied, 0);
}

#[test]
fn a_report_has_a_bounded_number_of_errors() {
    let kernel = Fake::default();
    kernel.0.borrow_mut().refuse_routes = true;
    let vni = 7.try_into().unwrap();
    let key = |n: u8| RouteKey { vni, prefix: format!("10.0.{n}.0/24").parse().unwrap() };
    let routes = (0..200).map(|n| (key(n), Target::Nobody)).collect();
    let now = Instant::now();
    let pass = Reconciler::new(kernel, now).pass(&HostSpec { routes, ..want() }, now);
    assert_eq!(pass.report.errors.len(), FAULTS + 1);
    assert_eq!(pass.report.errors[FAULTS].message, "100 more steps failed");
}

fn want() -> HostSpec {
    let key = RouteKey { vni: 7.try_into().unwrap(), prefix: "10.0.0.0/24".parse().unwrap() };
    HostSpec { revision: 3, routes: vec![(key, Target::Nobody)].into(), ..HostSpec::default() }
}

/// For the loop's timing only: it takes what it is told.
#[derive(Clone, Default)]
struct Fake(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    state: HostState,
    observed: u32,
    applied: u32,
    refuse_routes: bool,
    blind: bool,
    /// How long a reading waits for others.
    slow: Duration,
}

#[derive(Debug, thiserror::Error)]
#[error("it failed")]
struct Refusal(#[source] Cause);

#[derive(Debug, thiserror::Error)]
#[error("no memory")]
struct Cause;

impl Kernel for Fake {
    fn observe(&mut self, _: &Routes) -> Result<HostState, BoxError> {
        let mut inner = self.0.borrow_mut();
        inner.observed += 1;
        let (_open, nothing) = std::sync::mpsc::channel::<()>();
        let _ = nothing.recv_timeout(inner.slow);
        if inner.blind { Err(Refusal(Cause).into()) } else { Ok(inner.state.clone()) }
    }

    fn apply(&mut self, step: &Step) -> Result<(), BoxError> {
        let mut inner = self.0.borrow_mut();
        if inner.refuse_routes && matches!(step, Step::SetRoute { .. }) {
            return Err(Refusal(Cause).into());
        }
        inner.applied += 1;
        plan::after(&mut inner.state, step);
        Ok(())
    }
}
