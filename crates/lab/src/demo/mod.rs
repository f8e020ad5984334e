//! The demo: the calls of the seed's page, on two hosts on this machine, with packets to show for it.

mod screen;
mod seed;
mod stage;
mod text;

use std::io::Write;
use std::sync::{Condvar, Mutex, PoisonError};

use anyhow::Result;

use crate::{netns, site};
use screen::{Screen, human};
use stage::{Figures, Stage};

/// Of the names of all that the demo makes: see [`netns::prefix`].
pub const FAMILY: &str = "kd";

#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Leave it running at the end, until it is interrupted.
    pub keep: bool,
    pub colours: bool,
}

/// That somebody wants the demo to end.
#[derive(Debug, Default)]
pub struct Interrupt {
    came: Mutex<bool>,
    bell: Condvar,
}

impl Interrupt {
    pub fn raise(&self) {
        *self.came.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }

    #[must_use]
    pub fn came(&self) -> bool {
        *self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for it and takes it away: who has waited has obeyed.
    pub fn wait(&self) {
        let came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        let came = self.bell.wait_while(came, |came| !*came);
        *came.unwrap_or_else(PoisonError::into_inner) = false;
    }
}

/// Runs it, and leaves nothing behind, however it ends.
///
/// # Errors
/// A step failed, or it was interrupted before the last.
pub fn run(options: Options, interrupt: &Interrupt, out: &mut dyn Write) -> Result<()> {
    let mut screen = Screen::new(out, options.colours, interrupt);
    screen.heading("Kannas: two hosts on this machine, one peering, real packets")?;
    screen.step("take away what a killed run left", || {
        let swept = site::sweep_abandoned(FAMILY)?;
        Ok(((), if swept.is_empty() { "nothing".to_owned() } else { swept.join(", ") }))
    })?;
    let prefix = netns::prefix(FAMILY);
    let played = play(options, interrupt, &prefix, &mut screen);
    if played.is_err() {
        // What was half made when a step failed.
        site::sweep(&prefix)?;
    }
    played
}

fn play(
    options: Options,
    interrupt: &Interrupt,
    prefix: &str,
    screen: &mut Screen<'_>,
) -> Result<()> {
    let mut stage = Stage::set(&format!("{prefix}demo"), screen)?;
    let figures = match scenes(&mut stage, screen) {
        Ok(figures) => figures,
        Err(error) => return Err(error.context(stage.site.logs())),
    };
    screen.heading("The picture")?;
    screen.say(&text::picture(&stage))?;
    screen.heading("The figures")?;
    show(&figures, screen)?;
    if options.keep {
        stage.peer_again(screen)?;
        screen.heading("It is all running")?;
        screen.say(&text::to_try(&stage))?;
        interrupt.wait();
        screen.say("\nstopping")?;
    }
    end(stage, prefix, screen)
}

fn scenes(stage: &mut Stage, screen: &mut Screen<'_>) -> Result<Figures> {
    stage.apart(screen)?;
    let first_packet = stage.peer(screen)?;
    stage.look(screen)?;
    let (ping, tcp) = stage.carry(screen)?;
    let disabled = stage.disable(screen)?;
    let enabled = stage.enable(screen)?;
    let deleted = stage.delete(screen)?;
    Ok(Figures { first_packet, ping, tcp, disabled, enabled, deleted })
}

fn end(stage: Stage, prefix: &str, screen: &mut Screen<'_>) -> Result<()> {
    screen.step("stop all and take it away", || {
        drop(stage);
        let left = site::leftovers(prefix)?;
        anyhow::ensure!(left.is_empty(), "left behind: {}", left.join(", "));
        Ok(((), "no namespace, link, pin, process or file is left".to_owned()))
    })
}

fn show(figures: &Figures, screen: &mut Screen<'_>) -> Result<()> {
    let first = &figures.first_packet;
    screen.row("POST of the second half to first packet", &human(first.packet))?;
    screen.row("POST of the second half to its answer", &human(first.answer))?;
    screen.row("PATCH active to first packet", &human(figures.enabled))?;
    let [there, back] = figures.ping.map(human);
    screen.row("ping, median: hel to fra, fra to hel", &format!("{there}, {back}"))?;
    let [there, back] = figures.tcp.map(|gbit| format!("{gbit:.1}"));
    screen.row("TCP, Gbit/s: hel to fra, fra to hel", &format!("{there}, {back}"))?;
    screen.row("packets after the answer to PATCH disabled", &text::silence(figures.disabled))?;
    screen.row("packets after the answer to DELETE", &text::silence(figures.deleted))
}
