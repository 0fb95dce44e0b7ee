//! The samples say what real servers need: each can be read, is valid, and is built.

use std::fs;
use std::path::Path;

use super::build;
use crate::api::MCPServer;
use crate::references::References;
use crate::settings::Platform;
use crate::validate::validate;

#[test]
fn every_sample_is_valid_and_built() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/samples");
    let files = [folder.join("servers"), folder].map(|it| fs::read_dir(it).expect("the samples"));
    let files = files.into_iter().flatten().map(|it| it.expect("a file").path());
    let files: Vec<_> = files.filter(|it| it.is_file()).collect();
    assert!(files.len() >= 21, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).expect("readable");
        let mut server: MCPServer = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        assert_eq!(server.metadata.name.as_deref(), file.file_stem().and_then(|it| it.to_str()), "its file's name");
        server.metadata.namespace = Some("team".into());
        server.metadata.uid = Some("6c1b".into());
        let validated = validate(&server, &References::default(), &Platform::default())
            .unwrap_or_else(|problems| panic!("{file:?}: {problems}"));
        let children = build(&validated);
        // A server with a database starts after it.
        assert_eq!(children.deployments.len() + children.stateful_sets.len(), 1, "{file:?}");
        let template = server.spec.pod_template;
        assert_eq!(template, None, "{file:?}: the spec has a field for all that a real server needs");
    }
}
