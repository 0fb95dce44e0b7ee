//! Specs that the API server refuses, and what it says of each. `landfall validate` has to say so, too.

use serde_json::{Map, Value, json};

/// What is changed in the smallest spec, and the sentence that the API server answers with.
pub fn cases() -> Vec<(Value, &'static str)> {
    let image = "image must be an image reference such as ghcr.io/org/server:1.2.3";
    let scratch = "scratch path must be an absolute directory other than '/'";
    vec![
        (json!({"image": null}), "spec.image: Required value"),
        (json!({"image": "https://ghcr.io/org/server"}), image),
        (json!({"image": "two words"}), image),
        (json!({"image": "ghcr.io/Upper/case:1"}), image),
        (json!({"image": "x:tag with space"}), image),
        (json!({"image": ""}), "at least 1 chars long"),
        (json!({"imagePullPolicy": "Sometimes"}), "supported values: \"Always\", \"IfNotPresent\", \"Never\""),
        (json!({"port": null}), "spec.port: Required value"),
        (json!({"port": 0}), "should be greater than or equal to 1"),
        (json!({"port": 65536}), "should be less than or equal to 65535"),
        (json!({"port": "http"}), "must be of type integer"),
        (json!({"path": "mcp"}), "path must start with '/'"),
        (json!({"path": "/m cp"}), "path must start with '/'"),
        (json!({"path": "/mcp?x=1"}), "path must start with '/'"),
        (json!({"env": [{"name": "A"}, {"name": "A"}]}), "Duplicate value"),
        (json!({"env": [{"value": "1"}]}), "spec.env[0].name: Required value"),
        (json!({"scratch": [{"path": "relative"}]}), scratch),
        (json!({"scratch": [{"path": "/"}]}), scratch),
        (json!({"scratch": [{"path": "/a/../b"}]}), scratch),
        (json!({"scratch": [{"path": "/a"}, {"path": "/a"}]}), "Duplicate value"),
        (json!({"scratch": [{"path": "/a", "medium": "Tape"}]}), "supported values: \"Disk\", \"Memory\""),
        (json!({"files": [{"path": "relative", "content": ""}]}), "a file's path must be absolute"),
        (json!({"files": [{"path": "/a"}]}), "a file has one source"),
        (
            json!({"files": [{"path": "/a", "content": "", "secretKeyRef": {"name": "a", "key": "b"}}]}),
            "a file has one source",
        ),
        (json!({"storage": {"mountPath": "/", "size": "1Gi"}}), "storage.mountPath must be an absolute directory"),
        (json!({"storage": {"mountPath": "/a"}}), "spec.storage.size: Required value"),
        (
            json!({"storage": {"mountPath": "/a", "size": "1Gi"}, "replicas": 2, "sessions": "Stateless"}),
            "needs storage.accessModes: [ReadWriteMany]",
        ),
        (json!({"volumes": ["text"]}), "must be of type object"),
        (json!({"replicas": 2}), "more than one pod needs sessions: Stateless"),
        (json!({"autoscaling": {"maxReplicas": 2}}), "more than one pod needs sessions: Stateless"),
        (json!({"autoscaling": {"maxReplicas": 1}, "replicas": 1}), "replicas and autoscaling both set the number"),
        (json!({"autoscaling": {"minReplicas": 2, "maxReplicas": 1}}), "autoscaling.minReplicas must not be more"),
        (json!({"sessions": "Sticky"}), "supported values: \"Stateful\", \"Stateless\""),
        (json!({"disruptionBudget": {}}), "a disruptionBudget has one limit"),
        (json!({"disruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}}), "a disruptionBudget has one limit"),
        (json!({"serviceAccount": {"name": "a", "annotations": {"b": "c"}}}), "serviceAccount.annotations are for the"),
        (
            json!({"serviceAccount": {"bind": [{"kind": "Group", "name": "a"}]}}),
            "supported values: \"Role\", \"ClusterRole\"",
        ),
        (
            json!({"serviceAccount": {"bind": [{"kind": "Role", "name": "a", "clusterWide": true}]}}),
            "clusterWide is for a ClusterRole",
        ),
        (json!({"expose": {"host": "*.example.com"}}), "expose.host must be a DNS name"),
        (json!({"expose": {"host": "http://a.example"}}), "expose.host must be a DNS name"),
        (json!({"expose": {"host": "10.0.0.1"}}), "expose.host must be a DNS name"),
        (json!({"expose": {"host": "Upper.example"}}), "expose.host must be a DNS name"),
        (json!({"expose": {"ingress": {}, "gateway": {}}}), "expose has one way in"),
        (json!({"expose": {"ingress": {"className": "No Class"}}}), "expose.ingress.className must be the name"),
        (
            json!({"expose": {"ingress": {"tls": {"issuer": "a", "clusterIssuer": "b"}}}}),
            "a certificate has one issuer",
        ),
        (json!({"expose": {"ingress": {"tls": {"secretName": "a b"}}}}), "expose.ingress.tls.secretName must be"),
        (json!({"expose": {"gateway": {"parentRefs": [{"namespace": "a"}]}}}), "parentRefs[0].name: Required value"),
        (json!({"expose": {"gateway": {"parentRefs": [{"name": "A"}]}}}), "a parentRef's name must be"),
        (json!({"expose": {"gateway": {"timeouts": {"request": "1 hour"}}}}), "a time-out must be a duration"),
        (json!({"expose": {"paths": ["mcp"]}}), "a path of expose.paths must start with '/'"),
        (json!({"expose": {"paths": ["/a", "/a"]}}), "Duplicate value"),
        (json!({"expose": {"publicUrl": "ftp://a.example"}}), "expose.publicUrl must be an http or https URL"),
        (json!({"expose": {"publicUrl": "https://user@a.example"}}), "expose.publicUrl must be an http or https URL"),
        (json!({"replicas": -1}), "should be greater than or equal to 0"),
        (json!({"resources": {"requests": {"cpu": 0.5}}}), "must be of type integer,string"),
        (json!({"probes": {"liveness": {"httpGet": {"port": 1}, "exec": {}}}}), "a probe has one handler"),
        (json!({"probes": {"liveness": {"disabled": true, "exec": {}}}}), "a disabled probe has no handler"),
        (
            json!({"service": {"type": "ExternalName"}}),
            "supported values: \"ClusterIP\", \"NodePort\", \"LoadBalancer\"",
        ),
        (json!({"service": {"extraPorts": [{"name": "mcp", "port": 1}]}}), "an extra port's name has at most 15"),
        (json!({"service": {"extraPorts": [{"name": "UP", "port": 1}]}}), "an extra port's name has at most 15"),
        (json!({"service": {"sessionAffinity": "Cookie"}}), "supported values: \"None\", \"ClientIP\""),
        (json!({"serviceAccount": {"name": "Not A Name"}}), "serviceAccount.name must be the name of a ServiceAccount"),
        (json!({"verification": {"interval": "9s"}}), "interval must be a duration from 10s to 24h"),
        (json!({"verification": {"interval": "25h"}}), "interval must be a duration from 10s to 24h"),
        (json!({"verification": {"interval": "soon"}}), "interval must be a duration from 10s to 24h"),
        (json!({"verification": {"interval": "1m", "disabled": true}}), "a disabled verification has no interval"),
        (json!({"verification": {"headers": [{"name": "X-Key"}]}}), "a header has one source"),
        (json!({"verification": {"headers": [{"name": "X Key", "value": "a"}]}}), "a header's name has letters"),
        (json!({"terminationGracePeriodSeconds": 0}), "should be greater than or equal to 1"),
        (json!({"podTemplate": "text"}), "must be of type object"),
    ]
}

/// The smallest spec, with a change; null takes a field away.
pub fn spec(change: &Value) -> Map<String, Value> {
    let mut spec = Map::from_iter([("image".to_owned(), json!("echo:1")), ("port".to_owned(), json!(3001))]);
    spec.extend(change.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    spec.retain(|_, value| !value.is_null());
    spec
}
