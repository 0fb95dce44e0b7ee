//! A headless Chromium, told what to do by `WebDriver`.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use tokio::process::{Child, Command};

use crate::support::http::ask;
use crate::support::{PATIENCE, until};

const PROGRAMS: [&str; 3] = ["chromium", "google-chrome", "chromium-browser"];
const DRIVER: &str = "chromedriver";

/// Key under which `WebDriver` names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What is missing to run one.
pub fn missing() -> Option<String> {
    let program = program().is_none().then_some("chromium (Debian's chromium)");
    let driver = || find(DRIVER).is_none().then_some("chromedriver (Debian's chromium-driver)");
    program.or_else(driver).map(str::to_owned)
}

fn program() -> Option<String> {
    PROGRAMS.into_iter().find_map(find)
}

fn find(program: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut files = path.split(':').map(|folder| Path::new(folder).join(program));
    files.find(|it| it.is_file()).map(|it| it.display().to_string())
}

/// A browser with one empty profile. End it with [`Self::quit`]: it outlives its driver.
pub struct Browser {
    address: SocketAddr,
    session: String,
    _driver: Child,
}

impl Browser {
    /// `profile` is an empty folder.
    pub async fn start(profile: &Path) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut driver = Command::new(DRIVER);
        driver.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = driver.kill_on_drop(true).spawn().context("cannot start chromedriver")?;
        let up = async || ask(address, "GET", "/status", "").await.ok().filter(|it| it.status == 200);
        until("chromedriver answers", PATIENCE, up).await?;
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let options = json!({"binary": program(), "args": arguments});
        let asked = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "unhandledPromptBehavior": "ignore",
        }}});
        let made = told(address, "POST", "/session", &asked).await?;
        let session = made["sessionId"].as_str().context("no session")?.to_owned();
        Ok(Self { address, session, _driver: driver })
    }

    /// Ends the browser, and gives what the test came to.
    pub async fn quit<T>(self, result: Result<T>) -> Result<T> {
        self.tell("DELETE", "", &json!(null)).await?;
        result
    }

    pub async fn open(&self, url: &str) -> Result<()> {
        self.tell("POST", "/url", &json!({"url": url})).await.map(drop)
    }

    /// What a function's body returns in the page.
    pub async fn evaluate(&self, body: &str) -> Result<Value> {
        self.tell("POST", "/execute/sync", &json!({"script": body, "args": []})).await
    }

    /// Clicks on the first element that a selector finds, as a person does.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let found = self.tell("POST", "/element", &json!({"using": "css selector", "value": selector})).await?;
        let element = found[ELEMENT].as_str().context("no element")?;
        self.tell("POST", &format!("/element/{element}/click"), &json!({})).await.map(drop)
    }

    /// The window becomes so wide, and the page light or dark.
    pub async fn show(&self, width: u32, scheme: &str) -> Result<()> {
        // On a phone, the bar beside the page takes no room.
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.command("Emulation.setDeviceMetricsOverride", &size).await?;
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.command("Emulation.setEmulatedMedia", &media).await?;
        Ok(())
    }

    /// A picture of the whole page, in base64.
    pub async fn picture(&self) -> Result<String> {
        let taken = self.command("Page.captureScreenshot", &json!({"captureBeyondViewport": true})).await?;
        Ok(taken["data"].as_str().context("no picture")?.to_owned())
    }

    async fn command(&self, name: &str, params: &Value) -> Result<Value> {
        self.tell("POST", "/goog/cdp/execute", &json!({"cmd": name, "params": params})).await
    }

    async fn tell(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        told(self.address, method, &format!("/session/{}{path}", self.session), body).await
    }
}

async fn told(address: SocketAddr, method: &str, path: &str, body: &Value) -> Result<Value> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = ask(address, method, path, &body).await?;
    let mut read: Value = serde_json::from_str(&answer.body).with_context(|| answer.body.clone())?;
    ensure!(answer.status == 200, "{method} {path}: {}", read["value"]["message"]);
    Ok(read["value"].take())
}
