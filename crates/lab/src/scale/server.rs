//! Many remote ports that a server has, and tells a host of.

use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::json;

use super::disk::at_rest;
use super::{Filled, filled, status};
use crate::api::{Client, NewNetwork};
use crate::eventually::eventually;
use crate::site::{Cabling, PATIENCE, Site};

/// Names and zones: both in one, as a network is.
const HOSTS: [(&str, &str); 2] = [("near", "fi-hel1"), ("far", "fi-hel1")];

/// Seconds.
const GRACE: &str = "86400";

/// An agent that is told of `ports` remote ports by the server, at the end of its snapshot.
///
/// # Errors
/// The API refuses; the agent does not come up.
pub fn serve(prefix: &str, ports: usize, progress: &mut impl Write) -> Result<Filled> {
    let mut site = Site::start(&format!("{prefix}server"), &HOSTS, Cabling::Direct)?;
    let [(near, zone), (far, _)] = HOSTS;
    // The far host is without an agent for as long as ports are made.
    site.server.flags.extend(["--host-grace", GRACE].map(str::to_owned));
    site.server.kill9()?;
    site.server.restart()?;
    let admin = site.admin.clone();
    let network = NewNetwork { name: "big", zone, subnet: "10.0.0.0/8", router: None };
    let network = admin.make_network(network)?;
    let port = |host: &str, index: usize| {
        let index = u32::try_from(index)?;
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 1, 0, 0)) + index);
        let body = json!({
            "network": network, "host": host, "netns": format!("p{index}"), "address": address,
        });
        anyhow::Ok(body)
    };
    // So that nobody's kernel has to make the far ports.
    site.host_mut(far)?.stop()?;
    let workload = site.netns("near")?;
    let before = status(site.host(near)?, "VmRSS")?;
    site.host_mut(near)?.stop()?;
    make_ports(&admin, ports, &|index| port(far, index), progress)?;
    // Of the same network, so that all of them are its routes.
    let mut own = port(near, ports)?;
    own["netns"] = workload.name().into();
    admin.make_port(&own)?;
    let (fills, begun) = (site.host(near)?.fills(), Instant::now());
    site.host_mut(near)?.start()?;
    let host = site.host(near)?;
    let (fill, cpu) = filled(host, fills, begun)?;
    site.live(near)?;
    let there = datapath::routes(host.pins()).context("the maps")?;
    ensure!(there >= ports, "{there} of {ports} routes are in the maps");
    let (with, most) = at_rest(host)?;
    let again = restart(&mut site, near)?;
    Ok(Filled { ports: there, fill, cpu, again: Some(again), before, with, most })
}

/// Until the server has heard of the next agent that all is well.
fn restart(site: &mut Site, name: &str) -> Result<std::time::Duration> {
    site.host_mut(name)?.stop()?;
    let (watches, begun) = (site.host(name)?.watches(), Instant::now());
    site.host_mut(name)?.start()?;
    let host = site.host(name)?;
    let back = || (host.watches() > watches).then_some(());
    eventually(PATIENCE, "the next agent watches", back)?;
    site.live(name)?;
    Ok(begun.elapsed())
}

fn make_ports(
    admin: &Client,
    count: usize,
    body: &(impl Fn(usize) -> Result<serde_json::Value> + Sync),
    progress: &mut impl Write,
) -> Result<()> {
    const AT_ONCE: usize = 32;
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    let made = std::thread::scope(|scope| {
        let make = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return anyhow::Ok(());
                }
                admin.make_port(&body(index)?)?;
            }
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(make)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            thread.join().map_err(|_| anyhow!("a thread panicked"))?
        };
        threads.into_iter().try_for_each(join)
    });
    made?;
    writeln!(progress, "{count} ports made in {:.1} s", begun.elapsed().as_secs_f64())?;
    Ok(())
}
