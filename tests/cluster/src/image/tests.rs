#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::{Image, Layer, full_name};
use crate::digest::sha256_hex;

fn example() -> Image {
    let layer = Layer::new()
        .file("/usr/bin/echo", "program", 0o755)
        .and_then(|layer| layer.link("/bin", "usr/bin"))
        .and_then(|layer| layer.directory("/data", 0o1777))
        .unwrap();
    Image::new("example/echo:1")
        .unwrap()
        .layer(layer)
        .entrypoint(["/usr/bin/echo"])
        .env("PORT", "8080")
        .user("65532")
        .stop_signal("SIGINT")
        .port(8080)
        .label("purpose", "test")
}

fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    tar::Archive::new(archive)
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (path, content)
        })
        .collect()
}

#[test]
fn same_input_gives_same_bytes() {
    let reordered = Layer::new()
        .directory("/data", 0o1777)
        .and_then(|layer| layer.link("/bin", "usr/bin"))
        .and_then(|layer| layer.file("/usr/bin/echo", "program", 0o755))
        .unwrap();
    let mut second = example();
    second.layers = vec![reordered];
    assert_eq!(example().archive().unwrap(), second.archive().unwrap());
}

#[test]
fn every_reference_leads_to_a_blob_with_its_digest() {
    let files = files(&example().archive().unwrap());
    let blob = |descriptor: &Value| -> Vec<u8> {
        let digest = descriptor["digest"].as_str().unwrap();
        let content = files[&format!("blobs/{}", digest.replace(':', "/"))].clone();
        assert_eq!(digest, format!("sha256:{}", sha256_hex([content.as_slice()])));
        assert_eq!(descriptor["size"], content.len());
        content
    };
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let reference = &index["manifests"][0];
    assert_eq!(reference["annotations"]["io.containerd.image.name"], "docker.io/example/echo:1");
    let manifest: Value = serde_json::from_slice(&blob(reference)).unwrap();
    let config: Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
    assert_eq!(config["config"]["User"], "65532");
    assert_eq!(config["config"]["StopSignal"], "SIGINT");
    assert_eq!(config["config"]["ExposedPorts"], serde_json::json!({"8080/tcp": {}}));
    let layer = blob(&manifest["layers"][0]);
    assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);

    let docker: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    assert!(files.contains_key(docker[0]["Config"].as_str().unwrap()));
    assert_eq!(files[docker[0]["Layers"][0].as_str().unwrap()], layer);
}

#[test]
fn a_layer_holds_parents_before_children() {
    let layer = &example().layers[0];
    let tar = layer.tar().unwrap();
    let mut archive = tar::Archive::new(tar.as_slice());
    let entries: Vec<(String, u32)> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            (path, entry.header().mode().unwrap())
        })
        .collect();
    let expected = [("bin", 0o777), ("data/", 0o1777), ("usr/", 0o755), ("usr/bin/", 0o755), ("usr/bin/echo", 0o755)];
    assert_eq!(entries, expected.map(|(path, mode)| (path.to_owned(), mode)));
}

#[test]
fn of_a_copied_folder_only_what_no_umask_changes_is_taken_over() {
    let folder = std::env::temp_dir().join(format!("landfall-layer-{}", std::process::id()));
    let mode = |path: &str, mode| std::fs::set_permissions(folder.join(path), Permissions::from_mode(mode)).unwrap();
    for path in ["open", "narrow"] {
        std::fs::create_dir_all(folder.join(path)).unwrap();
    }
    std::fs::write(folder.join("program"), "").unwrap();
    mode("open", 0o1777);
    mode("narrow", 0o700);
    mode("program", 0o700);
    let layer = Layer::new().copy_from("/it", &folder).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let tar = layer.tar().unwrap();
    let modes: Vec<u32> = tar::Archive::new(tar.as_slice())
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().header().mode().unwrap())
        .collect();
    assert_eq!(modes, [0o755, 0o755, 0o1777, 0o755]);
}

#[test]
fn names_need_a_tag_that_kubelet_does_not_pull() {
    for name in ["echo", "echo:latest", "localhost:5000/echo", "echo:"] {
        assert!(Image::new(name).is_err(), "{name}");
    }
    assert!(Image::new("localhost:5000/echo:1").is_ok());
}

#[test]
fn short_names_are_those_of_docker_hub() {
    assert_eq!(full_name("echo:1"), "docker.io/library/echo:1");
    assert_eq!(full_name("mcp/echo:1"), "docker.io/mcp/echo:1");
    assert_eq!(full_name("localhost/echo:1"), "localhost/echo:1");
    assert_eq!(full_name("ghcr.io/a/echo:1"), "ghcr.io/a/echo:1");
}
