//! Child processes that never outlive their owner, and the identity by which a later run finds them.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

use crate::requirements::system_path;

const LOG_TAIL_BYTES: u64 = 4096;
const LOG_TAIL_LINES: usize = 15;

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: u32,
    /// Start time in clock ticks since boot.
    started: u64,
}

impl ProcessId {
    pub fn of(pid: u32) -> Result<Self> {
        let (_, started) = read_stat(pid)?;
        Ok(Self { pid, started })
    }

    pub fn own() -> Result<Self> {
        Self::of(std::process::id())
    }

    /// Whether this very process still runs; a zombie does not.
    pub fn is_alive(self) -> bool {
        read_stat(self.pid).is_ok_and(|(state, started)| started == self.started && !matches!(state, 'Z' | 'X'))
    }

    /// Kills the process, and the group if it leads one, if it is still the same process.
    pub fn kill(self) -> Result<()> {
        if self.is_alive() {
            signal_group(self.pid, Signal::KILL)?;
            ignore_gone(kill_process(raw_pid(self.pid)?, Signal::KILL), self.pid)?;
        }
        Ok(())
    }
}

/// State and start time: fields 3 and 22 of `/proc/PID/stat`.
fn read_stat(pid: u32) -> Result<(char, u64)> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // Field 2 is the program's name in parentheses, which may itself hold spaces and parentheses.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    let mut fields = after_name.unwrap_or_default().split_ascii_whitespace();
    let state = fields.next().and_then(|state| state.chars().next());
    let started = fields.nth(18).and_then(|ticks| ticks.parse().ok());
    state.zip(started).ok_or_else(|| anyhow!("{path} has an unknown form"))
}

fn signal_group(pid: u32, signal: Signal) -> Result<()> {
    ignore_gone(kill_process_group(raw_pid(pid)?, signal), pid)
}

fn raw_pid(pid: u32) -> Result<Pid> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
    raw.with_context(|| format!("{pid} is not a process id"))
}

fn ignore_gone(result: rustix::io::Result<()>, pid: u32) -> Result<()> {
    match result {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot signal process {pid}")),
    }
}

/// A component of the cluster: a process group of its own, its output in a log file.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    command: Command,
    child: Child,
    log: PathBuf,
    /// Stopped on purpose, so that its end is no failure.
    stopped: bool,
}

impl Process {
    /// Starts `command` so that it dies with this process, and apart from the terminal's Ctrl-C.
    pub fn start(name: &'static str, command: &Command, log: PathBuf) -> Result<Self> {
        let mut command = dying_with_parent(command);
        command.env("PATH", system_path()).process_group(0).stdin(Stdio::null());
        let (command, child) = spawn(name, command, &log)?;
        Ok(Self { name, command, child, log, stopped: false })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error with the end of its log if it ended by itself.
    pub fn check_alive(&mut self) -> Result<()> {
        if self.stopped {
            return Ok(());
        }
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(self.ended(status)),
        }
    }

    fn ended(&self, status: ExitStatus) -> anyhow::Error {
        anyhow!("{} ended ({status}); the end of its log:\n{}", self.name, self.log_tail())
    }

    /// The last lines of its output.
    pub fn log_tail(&self) -> String {
        read_tail(&self.log).unwrap_or_else(|error| format!("(no log: {error})"))
    }

    /// Kills the whole group and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.stopped = true;
        if self.child.try_wait()?.is_none() {
            signal_group(self.child.id(), Signal::KILL)?;
            self.child.wait()?;
        }
        Ok(())
    }

    /// Waits for a process that something else ends.
    pub fn wait(&mut self) -> Result<()> {
        self.stopped = true;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again after [`Process::kill`], with the same arguments and log.
    pub fn start_again(&mut self) -> Result<()> {
        let command = std::mem::replace(&mut self.command, Command::new(""));
        (self.command, self.child) = spawn(self.name, command, &self.log)?;
        self.stopped = false;
        Ok(())
    }
}

/// The parent-death signal survives the exec of the real program, so its process id is the child's.
fn dying_with_parent(command: &Command) -> Command {
    prefixed(["setpriv", "--pdeathsig", "KILL", "--"], command)
}

/// `prefix... program args...`, with the environment of `command`.
pub fn prefixed(prefix: impl IntoIterator<Item = impl Into<OsString>>, command: &Command) -> Command {
    let mut words = prefix.into_iter().map(Into::into);
    let mut wrapped = Command::new(words.next().unwrap_or_default());
    wrapped.args(words).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(key, value),
            None => wrapped.env_remove(key),
        };
    }
    wrapped
}

/// Runs a short command to its end; what it printed, or an error with what it complained about.
pub fn run(command: Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = output(command)?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{shown} failed ({}): {error}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a short command to its end, however it ends.
pub fn output(mut command: Command) -> Result<Output> {
    let output = command.env("PATH", system_path()).output();
    output.with_context(|| format!("cannot start {command:?}"))
}

type SpawnRequest = (Command, Sender<(Command, io::Result<Child>)>);

/// Linux sends the parent-death signal when the *thread* that started the child ends, and a test's
/// thread ends with its test: so one thread that stays as long as the process starts them all.
static SPAWNER: LazyLock<Sender<SpawnRequest>> = LazyLock::new(|| {
    let (sender, requests) = channel::<SpawnRequest>();
    thread::spawn(move || {
        for (mut command, answer) in requests {
            let child = command.spawn();
            // Whoever asked may be gone; the child then has no owner and must not stay.
            if let Err(unsent) = answer.send((command, child))
                && let (_, Ok(mut child)) = unsent.0
            {
                child.kill().and_then(|()| child.wait()).ok();
            }
        }
    });
    sender
});

fn spawn(name: &str, mut command: Command, log: &Path) -> Result<(Command, Child)> {
    let output = File::options().create(true).append(true).open(log);
    let output = output.with_context(|| format!("cannot write {}", log.display()))?;
    command.stdout(output.try_clone()?).stderr(output);
    let (sender, answer) = channel();
    SPAWNER.send((command, sender))?;
    let (command, child) = answer.recv()?;
    let child = child.with_context(|| format!("cannot start {name}"))?;
    Ok((command, child))
}

fn read_tail(path: &Path) -> Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n"))
}
