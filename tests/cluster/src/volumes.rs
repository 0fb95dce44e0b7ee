//! Makes new volumes writable for every user, as those of real provisioners are.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A volume exists for more than this before the first container with it starts.
const INTERVAL: Duration = Duration::from_millis(50);
const OPEN: u32 = 0o777;

/// The hostPath provisioner makes folders that only root may write to, and kubelet does not apply
/// `fsGroup` to them. This opens each as it appears, until dropped.
#[derive(Debug)]
pub struct VolumeOpener {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl VolumeOpener {
    pub fn start(volumes: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                // A volume that vanished between the two calls is no error.
                let _ = open_all(&volumes);
                thread::sleep(INTERVAL);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for VolumeOpener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open_all(volumes: &Path) -> io::Result<()> {
    for volume in fs::read_dir(volumes)? {
        let volume = volume?;
        if volume.metadata()?.permissions().mode() & OPEN != OPEN {
            fs::set_permissions(volume.path(), Permissions::from_mode(OPEN))?;
        }
    }
    Ok(())
}
