//! The signals that end a run.

use anyhow::Result;
use rustix::process::{Pid, kill_process};
use tokio::signal::unix::{self, SignalKind, signal};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    HangUp,
    Interrupt,
    Terminate,
}

pub struct Signals {
    hang_up: unix::Signal,
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    pub fn listen() -> Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hang_up.recv() => Signal::HangUp,
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

impl Signal {
    pub fn number(self) -> i32 {
        self.raw().as_raw()
    }

    pub fn send(self, process: u32) -> Result<()> {
        if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
            kill_process(process, self.raw())?;
        }
        Ok(())
    }

    fn raw(self) -> rustix::process::Signal {
        match self {
            Self::HangUp => rustix::process::Signal::HUP,
            Self::Interrupt => rustix::process::Signal::INT,
            Self::Terminate => rustix::process::Signal::TERM,
        }
    }
}
