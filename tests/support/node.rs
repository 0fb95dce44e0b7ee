//! What tests do with pods that really run.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

use super::World;

impl World {
    /// Sends a signal to the processes of a pod. They are found by their environment: only this pod's
    /// have its name as host name.
    pub async fn signal(&self, pod: &str, signal: &str) -> Result<()> {
        let script = format!(
            "for p in /proc/[0-9]*; do (tr '\\0' '\\n' < $p/environ) 2>/dev/null | grep -qx 'HOSTNAME={pod}' \
             && kill -{signal} ${{p#/proc/}} && sent=1; done; [ -n \"$sent\" ]"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        let sent = tokio::process::Command::from(self.cluster.in_node(&command)?).status().await?;
        ensure!(sent.success(), "pod {pod} has no process to send {signal} to");
        Ok(())
    }

    /// Holds an MCP conversation with `url` from within the cluster, and gives what it printed.
    pub async fn call(&self, url: &str, text: &str) -> Result<String> {
        self.call_tool(url, "echo", &json!({"message": text})).await
    }

    /// As [`Self::call`], with any tool.
    pub async fn call_tool(&self, url: &str, tool: &str, arguments: &Value) -> Result<String> {
        // The example server's binary is also a client.
        let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/images/echo-server");
        let mut command = Command::new(client);
        command.args(["call", url, "--tool", tool, "--arguments", &arguments.to_string()]);
        let output = tokio::process::Command::from(self.cluster.in_node(&command)?).output().await?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
        Ok(printed)
    }
}
