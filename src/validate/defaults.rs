//! What an administrator has decided for all servers, filled in where a spec says nothing. Every
//! step after this one sees a spec that says it itself.

use k8s_openapi::api::core::v1::PodSecurityContext;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Problems, raw, validate};
use crate::api::{MCPServer, MCPServerSpec};
use crate::references::References;
use crate::settings::{Platform, ServerDefaults};

/// The spec, with the platform's defaults in it. A field of the spec replaces the default; in a
/// security context, it replaces that field alone.
pub(super) fn filled(spec: &MCPServerSpec, platform: &Platform) -> MCPServerSpec {
    let defaults = &platform.server_defaults;
    let mut spec = spec.clone();
    spec.image = mirrored(&spec.image, platform.registry_mirror.as_deref());
    for container in &mut spec.init_containers {
        if let Some(Value::String(image)) = container.get_mut("image") {
            *image = mirrored(image, platform.registry_mirror.as_deref());
        }
        restrict(container, defaults);
    }
    let own_root = [
        spec.security_context.as_ref().and_then(|it| it.run_as_user),
        spec.pod_security_context.as_ref().and_then(|it| it.run_as_user),
    ];
    spec.pod_security_context =
        over(pod_default(defaults, own_root.contains(&Some(0))).as_ref(), spec.pod_security_context);
    spec.security_context = over(defaults.security_context.as_ref(), spec.security_context);
    spec.resources = spec.resources.or_else(|| defaults.resources.clone());
    spec.runtime_class_name = spec.runtime_class_name.or_else(|| defaults.runtime_class_name.clone());
    spec.priority_class_name = spec.priority_class_name.or_else(|| defaults.priority_class_name.clone());
    if spec.node_selector.is_empty() {
        spec.node_selector.clone_from(&defaults.node_selector);
    }
    if spec.tolerations.is_empty() {
        spec.tolerations.clone_from(&defaults.tolerations);
    }
    if spec.image_pull_secrets.is_empty() {
        spec.image_pull_secrets.clone_from(&defaults.image_pull_secrets);
    }
    spec
}

/// An image that names no registry of its own is pulled from the mirror, by the name that it has on
/// Docker Hub; one that names its registry is left alone.
fn mirrored(image: &str, mirror: Option<&str>) -> String {
    let Some(mirror) = mirror else { return image.to_owned() };
    match image.split_once('/') {
        Some((first, _)) if is_registry(first) => image.to_owned(),
        Some(_) => format!("{mirror}/{image}"),
        None => format!("{mirror}/library/{image}"),
    }
}

/// What tells a registry from the first part of a name, everywhere that images are pulled.
fn is_registry(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':'])
}

/// Asking for root is clear enough, as it is against Landfall's own default.
fn pod_default(defaults: &ServerDefaults, wants_root: bool) -> Option<PodSecurityContext> {
    let mut default = defaults.pod_security_context.clone()?;
    if wants_root {
        default.run_as_non_root = None;
    }
    Some(default)
}

/// Init containers have the same security default as the server's own container.
fn restrict(container: &mut Map<String, Value>, defaults: &ServerDefaults) {
    let Some(Ok(Value::Object(default))) = defaults.security_context.as_ref().map(serde_json::to_value) else { return };
    let own = container.entry("securityContext").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(own) = own {
        *own = default.into_iter().chain(std::mem::take(own)).collect();
    }
}

fn over<T: Serialize + DeserializeOwned + Clone>(default: Option<&T>, own: Option<T>) -> Option<T> {
    let (Some(default), Some(fields)) = (default, &own) else { return own.or_else(|| default.cloned()) };
    let (Ok(Value::Object(mut all)), Ok(Value::Object(fields))) =
        (serde_json::to_value(default), serde_json::to_value(fields))
    else {
        return own;
    };
    all.extend(fields);
    serde_json::from_value(Value::Object(all)).ok().or(own)
}

/// Reads the setting: YAML or JSON, or `@` and the file that holds it. It is held against the rules
/// of a spec, so that no server is ever refused for what its author did not write.
pub fn server_defaults(text: &str) -> Result<ServerDefaults, String> {
    let text = match text.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?,
        None => text.to_owned(),
    };
    if text.trim().is_empty() {
        return Ok(ServerDefaults::default());
    }
    let fields: Map<String, Value> = serde_saphyr::from_str(&text)
        .map_err(|error| format!("write YAML or JSON such as {{nodeSelector: {{pool: mcp}}}}, or @FILE: {error}"))?;
    let mut problems = Problems::default();
    let Some(defaults) = raw::decode("serverDefaults", &fields, &mut problems) else {
        return Err(problems.to_string());
    };
    check(&defaults).map(|()| defaults)
}

fn check(defaults: &ServerDefaults) -> Result<(), String> {
    let mut plain =
        MCPServer::new("plain", MCPServerSpec { image: "image".into(), port: 80, ..MCPServerSpec::default() });
    plain.metadata.uid = Some("none".into());
    let platform = Platform { server_defaults: defaults.clone(), ..Platform::default() };
    validate(&plain, &References::default(), &platform).map(drop).map_err(|mut problems| {
        for problem in &mut problems.0 {
            problem.field = problem.field.replacen("spec.", "serverDefaults.", 1);
        }
        problems.to_string()
    })
}

/// Checks the setting of that name.
pub fn registry_mirror(text: &str) -> Result<String, String> {
    let mirror = text.trim_end_matches('/');
    let mut parts = mirror.split('/');
    let is_name =
        |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_alphanumeric() || b".-_:".contains(&it));
    if parts.next().is_some_and(|host| is_registry(host) && is_name(host)) && parts.all(is_name) {
        return Ok(mirror.to_owned());
    }
    Err("write a registry, with a path if it has one, and without https://, such as mirror.corp.example/hub".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{server, smallest, smallest_with};
    use crate::validate::ValidatedServer;
    use serde_json::json;

    fn on(platform: &Platform, spec: &Value) -> ValidatedServer {
        validate(&server(spec), &References::default(), platform).expect("valid")
    }

    fn with(defaults: &Value) -> Platform {
        let server_defaults = server_defaults(&defaults.to_string()).expect("valid defaults");
        Platform { server_defaults, ..Platform::default() }
    }

    #[test]
    fn only_images_without_a_registry_come_from_the_mirror() {
        for (image, expected) in [
            ("mcp/everything:1", "mirror.corp/hub/mcp/everything:1"),
            ("redis", "mirror.corp/hub/library/redis"),
            ("redis:7@sha256:00", "mirror.corp/hub/library/redis:7@sha256:00"),
            ("docker.io/mcp/everything", "docker.io/mcp/everything"),
            ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
            ("localhost/a", "localhost/a"),
            ("registry:5000/a", "registry:5000/a"),
        ] {
            assert_eq!(mirrored(image, Some("mirror.corp/hub")), expected);
            assert_eq!(mirrored(image, None), image);
        }
        let platform = Platform { registry_mirror: Some("mirror.corp".into()), ..Platform::default() };
        let server = on(&platform, &smallest_with(&json!({"initContainers": [{"name": "a", "image": "x:1"}]})));
        assert_eq!(server.pod.image, "mirror.corp/mcp/everything:1");
        assert_eq!(server.pod.parts.init_containers[0].image.as_deref(), Some("mirror.corp/library/x:1"));
    }

    #[test]
    fn a_mirror_is_a_registry() {
        for (text, expected) in [("mirror.corp/hub/", "mirror.corp/hub"), ("mirror:5000", "mirror:5000")] {
            assert_eq!(registry_mirror(text).as_deref(), Ok(expected));
        }
        for text in ["", "mirror", "mirror/hub", "https://mirror.corp", "mirror.corp//hub", "mirror.corp/a b"] {
            assert!(registry_mirror(text).is_err(), "{text}");
        }
    }

    fn all() -> Value {
        json!({
            "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
            "nodeSelector": {"pool": "mcp"},
            "tolerations": [{"key": "mcp", "operator": "Exists"}],
            "runtimeClassName": "gvisor",
            "priorityClassName": "low",
            "imagePullSecrets": [{"name": "corp"}],
            "podSecurityContext": {"runAsUser": 1000, "runAsNonRoot": true, "supplementalGroups": [7]},
            "securityContext": {"readOnlyRootFilesystem": true, "capabilities": {"drop": ["NET_RAW"]}},
        })
    }

    #[test]
    fn a_server_that_says_nothing_gets_every_default() {
        let spec = json!({"initContainers": [{"name": "a", "image": "x:1", "securityContext": {"runAsUser": 5}}]});
        let server = on(&with(&all()), &smallest_with(&spec));
        assert_eq!(
            server.pod.resources.and_then(|it| it.limits).map(|it| it["memory"].0.clone()).as_deref(),
            Some("1Gi")
        );
        assert_eq!(server.pod.scheduling.node_selector["pool"], "mcp");
        assert_eq!(server.pod.scheduling.tolerations.len(), 1);
        assert_eq!(server.pod.scheduling.runtime_class_name.as_deref(), Some("gvisor"));
        assert_eq!(server.pod.scheduling.priority_class_name.as_deref(), Some("low"));
        assert_eq!(server.pod.image_pull_secrets[0].name, "corp");
        let pod = server.pod.pod_security_context;
        assert_eq!((pod.run_as_user, pod.run_as_group, pod.run_as_non_root), (Some(1000), Some(65532), Some(true)));
        assert_eq!(pod.supplemental_groups, Some(vec![7]));
        let init = server.pod.parts.init_containers[0].security_context.clone().expect("given");
        assert_eq!((init.run_as_user, init.read_only_root_filesystem), (Some(5), Some(true)));
        for context in [server.pod.security_context, init] {
            assert_eq!(
                context.allow_privilege_escalation,
                Some(false),
                "Landfall's own default is below the platform's"
            );
            assert_eq!(context.capabilities.and_then(|it| it.drop), Some(vec!["NET_RAW".to_owned()]));
        }
    }

    #[test]
    fn what_the_spec_says_replaces_the_default() {
        let server = on(
            &with(&all()),
            &smallest_with(&json!({
                "resources": {},
                "nodeSelector": {"pool": "own"},
                "tolerations": [{"key": "own"}],
                "runtimeClassName": "kata",
                "priorityClassName": "high",
                "imagePullSecrets": [{"name": "own"}],
                "podSecurityContext": {"runAsUser": 0},
                "securityContext": {"capabilities": {"drop": ["ALL"]}},
            })),
        );
        assert_eq!(server.pod.resources, Some(k8s_openapi::api::core::v1::ResourceRequirements::default()));
        assert_eq!(server.pod.scheduling.node_selector["pool"], "own");
        assert_eq!(server.pod.scheduling.tolerations[0].key.as_deref(), Some("own"));
        assert_eq!(server.pod.scheduling.runtime_class_name.as_deref(), Some("kata"));
        assert_eq!(server.pod.scheduling.priority_class_name.as_deref(), Some("high"));
        assert_eq!(server.pod.image_pull_secrets[0].name, "own");
        let pod = server.pod.pod_security_context;
        assert_eq!(
            (pod.run_as_user, pod.run_as_non_root),
            (Some(0), None),
            "the kubelet refuses root with runAsNonRoot"
        );
        assert_eq!(pod.supplemental_groups, Some(vec![7]), "a field that the spec does not give");
        let container = server.pod.security_context;
        assert_eq!(container.capabilities.and_then(|it| it.drop), Some(vec!["ALL".to_owned()]));
        assert_eq!(container.read_only_root_filesystem, Some(true));
    }

    #[test]
    fn an_autoscaler_counts_a_default_request() {
        let spec = smallest_with(&json!({"sessions": "Stateless", "autoscaling": {"maxReplicas": 3}}));
        assert!(on(&with(&all()), &spec).autoscaling.is_some());
    }

    #[test]
    fn the_setting_is_yaml_json_or_a_file() {
        let expected = ServerDefaults { runtime_class_name: Some("gvisor".into()), ..ServerDefaults::default() };
        for text in ["runtimeClassName: gvisor", r#"{"runtimeClassName":"gvisor"}"#] {
            assert_eq!(server_defaults(text).as_ref(), Ok(&expected));
            let file = std::env::temp_dir().join(format!("landfall-defaults-{}", std::process::id()));
            std::fs::write(&file, text).expect("writable");
            assert_eq!(server_defaults(&format!("@{}", file.display())).as_ref(), Ok(&expected));
            std::fs::remove_file(file).expect("removable");
        }
        assert_eq!(server_defaults("").as_ref(), Ok(&ServerDefaults::default()));
        assert_eq!(on(&Platform::default(), &smallest()).pod.scheduling, crate::validate::Scheduling::default());
    }

    #[test]
    fn a_setting_that_cannot_work_is_refused_at_the_start() {
        for (text, expected) in [
            ("gvisor", "write YAML or JSON such as {nodeSelector: {pool: mcp}}, or @FILE: "),
            ("@/no/such/file", "cannot read /no/such/file: "),
            ("nodeSelectr: {a: b}", "serverDefaults.nodeSelectr: no such field: check its spelling and place"),
            ("securityContext: {runAsRoot: true}", "serverDefaults.securityContext.runAsRoot: no such field"),
            ("tolerations: {}", "serverDefaults: cannot be read: "),
            ("resources: {requests: {cpu: lots}}", "serverDefaults.resources.requests.cpu: \"lots\" is no quantity"),
            ("nodeSelector: {pool: a b}", "serverDefaults.nodeSelector[pool]: \"a b\" is no label value"),
        ] {
            let error = server_defaults(text).expect_err(text);
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
