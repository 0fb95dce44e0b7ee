//! The catalog: what programs and people are shown, and that hostile words stay words.

use anyhow::{Context, Result, ensure};
use k8s_openapi::ByteString;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use landfall::api::MCPServer;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use tokio::process::Command;

use crate::browser::Browser;
use crate::support::http::{Answer, ask};
use crate::support::operator::Operator;
use crate::support::pods::Kubelet;
use crate::support::{PATIENCE, Space, World, apply, from_yaml, until};

/// An operator with a catalog, and the address of that.
async fn with_catalog(space: &Space) -> Result<(Operator, SocketAddr)> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let operator = space.operator(&["--catalog", "--catalog-listen", &address.to_string()]).await?;
    operator.until_ready().await?;
    Ok((operator, address))
}

async fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    ask(address, "GET", path, "").await
}

async fn json_at(address: SocketAddr, path: &str) -> Result<Value> {
    let answer = get(address, path).await?;
    ensure!(answer.status == 200 && answer.head.contains("content-type: application/json"), "{path}: {}", answer.head);
    Ok(serde_json::from_str(&answer.body)?)
}

/// What `landfall catalog` prints.
async fn printed(space: &Space, arguments: &[&str]) -> Result<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.arg("catalog").args(arguments).env_clear().env("KUBECONFIG", space.world.cluster.kubeconfig());
    let output = command.output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn names(list: &Value) -> Vec<&str> {
    list["servers"].as_array().into_iter().flatten().filter_map(|it| it["server"]["name"].as_str()).collect()
}

pub async fn programs_and_people_find_the_servers(world: Arc<World>) -> Result<()> {
    let (space, other) = (world.space("catalog").await?, world.space("catalog-other").await?);
    let _kubelet = Kubelet::start(&space);
    let (operator, address) = with_catalog(&space).await?;
    other.server("elsewhere", &json!({"image": "echo:1", "port": 3001})).await?;
    for (name, image) in [("echo", "echo:1"), ("notes", "echo:1"), ("starting", "never:1")] {
        space.server(name, &json!({"image": image, "port": 3001})).await?;
    }
    for name in ["echo", "notes"] {
        space.until_ready_is(name, "True", "Ready").await?;
    }
    space.until_ready_is("starting", "False", "Starting").await?;

    let both = async || {
        let list = json_at(address, "/v0.1/servers").await.ok()?;
        (names(&list) == ["catalog/echo", "catalog/notes"]).then_some(list)
    };
    let list = space.until("both are listed", both).await?;
    let url = "http://echo.catalog.svc.cluster.local:3001/mcp";
    let remotes = json!([{"type": "streamable-http", "url": url}]);
    ensure!(list["servers"][0]["server"]["remotes"] == remotes, "{list}");
    ensure!(printed(&space, &["-n", &space.name]).await? == list, "the command prints what is served");
    ensure!(names(&printed(&space, &[]).await?).contains(&"catalog/echo"), "and without -n, of every namespace");

    let first = json_at(address, "/v0.1/servers?limit=1").await?;
    let next = first["metadata"]["nextCursor"].as_str().context("no cursor")?.replace('/', "%2F");
    let second = json_at(address, &format!("/v0.1/servers?limit=1&cursor={next}")).await?;
    ensure!(names(&second) == ["catalog/notes"] && second["metadata"].get("nextCursor").is_none(), "{second}");
    let latest = json_at(address, "/v0.1/servers/catalog%2Fecho/versions/latest").await?;
    ensure!(latest == list["servers"][0], "{latest}");

    let page = get(address, "/").await?;
    ensure!(page.status == 200 && page.head.contains("content-type: text/html"), "{}", page.head);
    ensure!(page.head.contains("content-security-policy: default-src 'none';"), "{}", page.head);
    for part in ["catalog/echo", url, "catalog/starting", "Not ready: Starting", "2 of 3 ready"] {
        ensure!(page.body.contains(part), "no {part} in {}", page.body);
    }
    ensure!(!page.body.contains("elsewhere"), "{}", page.body);
    let head = ask(address, "HEAD", "/", "").await?;
    ensure!(head.status == 200 && head.body.is_empty(), "{}", head.body);
    let refused = ask(address, "POST", "/v0.1/servers", "{}").await?;
    ensure!(refused.status == 405 && refused.head.contains("allow: get, head"), "{}", refused.head);
    ensure!(get(address, "/v0.1/servers/catalog%2Fstarting/versions/latest").await?.status == 404);
    ensure!(get(address, "/metrics").await?.status == 404, "the metrics have an address of their own");

    // One that waits to be the leader has it, too.
    let (waiting, its_address) = with_catalog(&space).await?;
    ensure!(json_at(its_address, "/v0.1/servers").await? == list);
    ensure!(waiting.requests()?.iter().all(|it| !it.is_write()), "it waits");

    // What is gone is gone at once, and readers cost the API server nothing.
    space.api::<MCPServer>().delete("notes", &DeleteParams::default()).await?;
    let one = async || {
        let list = json_at(address, "/v0.1/servers").await.ok()?;
        (names(&list) == ["catalog/echo"]).then_some(())
    };
    space.until("it is gone", one).await?;
    let asked = |it: &Operator| {
        Ok::<_, anyhow::Error>(
            it.requests()?.iter().filter(|it| it.object_ref.resource == "mcpservers" && it.verb != "watch").count(),
        )
    };
    let before = asked(&operator)?;
    for _ in 0..50 {
        get(address, "/").await?;
    }
    ensure!(asked(&operator)? == before, "requests for the catalog became requests to the API server");
    Ok(())
}

/// Statuses such as no honest server brings about.
async fn put_status(space: &Space, name: &str, status: &Value) -> Result<()> {
    space.server(name, &json!({"image": "echo:1", "port": 3001})).await?;
    let patch = Patch::Merge(json!({"status": status}));
    let api: Api<MCPServer> = space.api();
    api.patch_status(name, &PatchParams::default(), &patch).await?;
    Ok(())
}

fn status(url: &str, ready: &str, server: &Value) -> Value {
    let reason = if ready == "True" { "Ready" } else { "CrashLooping" };
    json!({"url": url, "clusterUrl": "http://a.b.svc.cluster.local:3001/mcp", "observedGeneration": 1, "server": server, "conditions": [
        {"type": "Ready", "status": ready, "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"},
    ]})
}

const HOSTILE: &str = "</dd><script>hacked=1</script><img src=x onerror=hacked=1>\"'onclick=hacked=1\u{202e}";

/// Four servers, two of them hostile, and nobody who leads: so that the statuses stay as they are.
async fn servers_to_look_at(space: &Space) -> Result<()> {
    let now = "2026-01-01T00:00:00.000000Z";
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "landfall"},
        "spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 86400, "acquireTime": now, "renewTime": now},
    });
    apply(&space.api::<Lease>(), from_yaml(&lease.to_string())?).await?;
    let said = json!({"name": "search", "version": "2.1.0", "protocolVersion": "2026-07-28", "toolCount": 12, "authRequired": true});
    put_status(space, "search", &status("https://search.mcp.example.com/mcp", "True", &said)).await?;
    let said = json!({"name": "notes", "version": "0.3.1", "protocolVersion": "2025-11-25", "toolCount": 1});
    put_status(space, "notes", &status("http://a.b.svc.cluster.local:3001/mcp", "False", &said)).await?;
    let said = json!({"name": HOSTILE, "version": HOSTILE, "protocolVersion": HOSTILE, "toolCount": 3});
    put_status(space, "hostile", &status(&format!("https://evil.example/{HOSTILE}"), "True", &said)).await?;
    put_status(space, "script", &status("javascript:hacked=1", "True", &said)).await
}

pub async fn a_browser_shows_the_page_and_hostile_words_do_no_harm(world: Arc<World>) -> Result<()> {
    let space = world.space("catalog-page").await?;
    servers_to_look_at(&space).await?;
    let (_operator, address) = with_catalog(&space).await?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("catalog");
    let profile = folder.join(format!("profile-{}", std::process::id()));
    std::fs::create_dir_all(&profile)?;
    let browser = Browser::start(&profile).await?;
    let looked = look(&browser, address, &folder).await;
    let looked = browser.quit(looked).await;
    std::fs::remove_dir_all(&profile)?;
    looked
}

async fn look(browser: &Browser, address: SocketAddr, folder: &Path) -> Result<()> {
    let url = format!("http://{address}/");
    browser.open(&url).await?;
    // It leaves a client's configuration open, to be looked at, too.
    fields_are_selected_by_a_click(browser).await?;
    for (width, scheme) in [(360, "light"), (1280, "light"), (1280, "dark")] {
        browser.show(width, scheme).await?;
        let faults = browser.evaluate(FAULTS).await?;
        ensure!(faults == json!([]), "at {width} px, {scheme}: {faults}");
        // For a person to look at.
        let picture: ByteString = serde_json::from_value(json!(browser.picture().await?))?;
        std::fs::write(folder.join(format!("{width}-{scheme}.png")), picture.0)?;
    }
    is_harmless(browser).await.context("hostile words")?;
    links_lead_where_they_should(browser).await?;

    browser.open(&format!("{url}?limit=3")).await?;
    browser.click("a[rel=next]").await?;
    shows(browser, "catalog-page/search").await?;
    browser.open(&url).await?;
    browser.click("input[type=search]").await?;
    browser.evaluate("document.querySelector('input').value = 'NOTES'").await?;
    browser.click("button").await?;
    shows(browser, "catalog-page/notes").await
}

/// Waits until a page with just this server has come.
async fn shows(browser: &Browser, name: &str) -> Result<()> {
    let is_there = async || (browser.evaluate(NAMES).await.ok()? == json!([name])).then_some(());
    until(&format!("the page shows {name} alone"), PATIENCE, is_there).await
}

const NAMES: &str = "return [...document.querySelectorAll('h2')].map(it => it.textContent)";

/// What does not look right: what sticks out of the window, lies on another, is too small, or can hardly be told
/// from what is behind it.
const FAULTS: &str = r"
const faults = [];
if (document.querySelectorAll('article').length !== 4) faults.push('not four servers');
const root = document.scrollingElement;
if (root.scrollWidth > root.clientWidth) faults.push(`scrolls sideways: ${root.scrollWidth}`);
const channels = colour => colour.match(/[\d.]+/g).map(Number);
const light = colour => {
  const [r, g, b] = channels(colour).map(it => it / 255).map(it => it <= 0.03928 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = element => {
  for (let it = element; it; it = it.parentElement) {
    const colour = getComputedStyle(it).backgroundColor;
    if (channels(colour)[3] !== 0) return colour;
  }
  return 'rgb(255, 255, 255)';
};
for (const it of document.querySelectorAll('h1, h2, p, dt, dd, pre, span, a, summary, input, button')) {
  const box = it.getBoundingClientRect();
  if (!it.checkVisibility()) continue;
  const name = `${it.tagName} ${it.textContent.slice(0, 20)}`;
  if (box.left < 0 || box.right > window.innerWidth) faults.push(`sticks out: ${name}`);
  const style = getComputedStyle(it);
  if (parseFloat(style.fontSize) < 13) faults.push(`too small: ${name}`);
  const [one, two] = [light(style.color), light(behind(it))].sort((a, b) => b - a);
  if ((one + 0.05) / (two + 0.05) < 4.5) faults.push(`too pale: ${name} ${style.color} on ${behind(it)}`);
  const middle = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  if (middle && !it.contains(middle) && !middle.contains(it)) faults.push(`covered: ${name}`);
}
return faults;
";

async fn is_harmless(browser: &Browser) -> Result<()> {
    let seen = browser
        .evaluate(
            "return {
                ran: typeof hacked, title: document.title,
                foreign: document.querySelectorAll('script, img, iframe, object, embed, svg, [onclick], [onerror], [style]').length,
                loaded: performance.getEntriesByType('resource').map(it => new URL(it.name).pathname),
                schemes: [...new Set([...document.links].map(it => it.protocol))].sort(),
                elsewhere: [...document.links].filter(it => it.protocol.startsWith('http') && it.host !== location.host).length,
                said: document.querySelector('article dd').textContent,
            }",
        )
        .await?;
    let said = format!("{} {}", HOSTILE.trim_end_matches('\u{202e}'), HOSTILE.trim_end_matches('\u{202e}'));
    let expected = json!({
        "ran": "undefined", "title": "MCP servers", "foreign": 0, "loaded": ["/style.css"],
        "schemes": ["cursor:", "http:", "vscode:"], "elsewhere": 0, "said": said,
    });
    ensure!(seen == expected, "{seen}");
    Ok(())
}

async fn links_lead_where_they_should(browser: &Browser) -> Result<()> {
    let read = browser
        .evaluate(
            "const [cursor, vscode] = [...document.querySelectorAll('article')].at(-1).querySelectorAll('a');
             return {
                cursor: [new URL(cursor.href).searchParams.get('name'), JSON.parse(atob(new URL(cursor.href).searchParams.get('config')))],
                vscode: JSON.parse(decodeURIComponent(vscode.href.replace('vscode:mcp/install?', ''))),
             }",
        )
        .await?;
    let url = "https://search.mcp.example.com/mcp";
    let input = json!({"type": "promptString", "id": "search-token", "description": "Authorization for search", "password": true});
    let expected = json!({
        "cursor": ["search", {"url": url, "headers": {"Authorization": "Bearer ${env:SEARCH_TOKEN}"}}],
        "vscode": {
            "name": "search", "type": "http", "url": url, "inputs": [input],
            "headers": {"Authorization": "Bearer ${input:search-token}"},
        },
    });
    ensure!(read == expected, "{read}");
    Ok(())
}

async fn fields_are_selected_by_a_click(browser: &Browser) -> Result<()> {
    let selected = "return getSelection().toString().trim()";
    browser.click("article:last-of-type pre").await?;
    ensure!(browser.evaluate(selected).await? == "https://search.mcp.example.com/mcp");
    browser.click("article:last-of-type details > summary").await?;
    browser.click("article:last-of-type details details:nth-of-type(2) > summary").await?;
    browser.click("article:last-of-type details details:nth-of-type(2) pre").await?;
    let text = browser.evaluate(selected).await?;
    let read: Value = serde_json::from_str(text.as_str().context("no text")?).context("what was selected")?;
    let headers = json!({"Authorization": "Bearer ${SEARCH_TOKEN}"});
    let entry = json!({"type": "http", "url": "https://search.mcp.example.com/mcp", "headers": headers});
    ensure!(read == json!({"mcpServers": {"search": entry}}), "{read}");
    browser.evaluate("getSelection().removeAllRanges()").await?;
    Ok(())
}
