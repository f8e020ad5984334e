use std::cell::RefCell;
use std::rc::Rc;

use model::spec::{RouteKey, Target};

use super::*;

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
    HostSpec { revision: 3, routes: [(key, Target::Nobody)].into(), ..HostSpec::default() }
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
}

#[derive(Debug, thiserror::Error)]
#[error("it failed")]
struct Refusal(#[source] Cause);

#[derive(Debug, thiserror::Error)]
#[error("no memory")]
struct Cause;

impl Kernel for Fake {
    fn observe(&mut self) -> Result<HostState, BoxError> {
        let mut inner = self.0.borrow_mut();
        inner.observed += 1;
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
