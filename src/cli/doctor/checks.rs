//! What is looked at, one function for each. What a person may not see is told as that, and not as missing.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::networking::v1::IngressClass;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, ObjectList, PostParams};
use kube::{Client, ResourceExt};
use serde_json::Value;
use std::fmt::Debug;
use std::time::Duration;

use super::Finding;
use crate::api::GROUP;
use crate::cli::cluster::Cluster;
use crate::controller;

/// The oldest Kubernetes that is tested.
const OLDEST: u32 = 33;

/// What a person who has servers needs to do with them.
const RIGHTS: [(&str, &str, &str); 4] =
    [(GROUP, "mcpservers", "create"), (GROUP, "mcpservers", "get"), ("", "events", "list"), ("", "pods/log", "get")];

/// Which class is the default.
const DEFAULT_INGRESS: &str = "ingressclass.kubernetes.io/is-default-class";
const DEFAULT_STORAGE: &str = "storageclass.kubernetes.io/is-default-class";

/// A name server that does not answer in this time does not answer clients either.
const LOOKUP: Duration = Duration::from_secs(5);

/// Every check, in the order in which one needs the other.
pub(super) async fn all(cluster: &Cluster) -> Vec<(&'static str, Finding)> {
    let client = &cluster.client;
    let version = version(client).await;
    let is_reached = !matches!(version, Finding::Broken(_));
    let mut findings = vec![("API server", version)];
    if !is_reached {
        return findings;
    }
    let operators = operators(client).await;
    findings.push(("resource", resource(client).await));
    findings.push(("operator", operator(&operators)));
    findings.push(("your rights", rights(cluster).await));
    findings.push(("storage class", storage_class(client).await));
    findings.push(("ingress class", ingress_class(client).await));
    findings.push(("gateways", gateways(client).await));
    findings.push(("base domain", base_domain(&operators).await));
    findings
}

async fn version(client: &Client) -> Finding {
    match client.apiserver_version().await {
        Err(error) => Finding::Broken(format!("does not answer: {error}; does KUBECONFIG name the right cluster?")),
        Ok(info) => {
            let minor: String = info.minor.chars().take_while(char::is_ascii_digit).collect();
            match minor.parse::<u32>() {
                Ok(minor) if minor < OLDEST => Finding::Lacking(format!(
                    "Kubernetes {}; Landfall is tested on 1.{OLDEST} and newer",
                    info.git_version
                )),
                _ => Finding::Good(format!("Kubernetes {}", info.git_version)),
            }
        }
    }
}

async fn resource(client: &Client) -> Finding {
    match controller::resource_problem(client).await {
        Ok(None) => Finding::Good(format!("mcpservers.{GROUP}, as this version knows it")),
        Ok(Some(problem)) => Finding::Broken(problem),
        Err(error) => Finding::Unseen(format!("cannot be looked at: {error}")),
    }
}

type Listed<K> = Result<Vec<K>, kube::Error>;

async fn list<K: Clone + Debug + serde::de::DeserializeOwned>(api: Api<K>, params: &ListParams) -> Listed<K> {
    api.list(params).await.map(|it: ObjectList<K>| it.items)
}

fn unseen(error: &kube::Error) -> Finding {
    match error {
        kube::Error::Api(status) if status.code == 403 => Finding::Unseen("you may not look at these".into()),
        error => Finding::Unseen(format!("cannot be looked at: {error}")),
    }
}

async fn operators(client: &Client) -> Listed<Deployment> {
    let params = ListParams::default().labels("app.kubernetes.io/name=landfall");
    list(Api::all(client.clone()), &params).await
}

fn operator(operators: &Listed<Deployment>) -> Finding {
    let operators = match operators {
        Ok(operators) => operators,
        Err(error) => return unseen(error),
    };
    let Some(operator) = operators.first() else {
        return Finding::Lacking(
            "there is no Deployment of it: install the chart landfall, unless it runs outside of the cluster".into(),
        );
    };
    let place = format!("{} in {}", operator.name_any(), operator.namespace().unwrap_or_default());
    let ready = operator.status.as_ref().and_then(|it| it.ready_replicas).unwrap_or_default();
    if operators.len() > 1 {
        let places: Vec<_> = operators.iter().map(|it| it.namespace().unwrap_or_default()).collect();
        return Finding::Lacking(format!(
            "there are several, in {}: each should have namespaces of its own",
            places.join(", ")
        ));
    }
    if ready == 0 {
        return Finding::Broken(format!("{place} has no ready pod: `kubectl logs` of its pods says why"));
    }
    Finding::Good(format!("{place}, {ready} ready"))
}

async fn rights(cluster: &Cluster) -> Finding {
    let api: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let mut lacking = Vec::new();
    for (group, resource, verb) in RIGHTS {
        let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(it, sub)| (it, Some(sub)));
        let attributes = ResourceAttributes {
            group: Some(group.into()),
            resource: Some(resource.into()),
            subresource: subresource.map(Into::into),
            verb: Some(verb.into()),
            namespace: Some(cluster.namespace.clone()),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        match api.create(&PostParams::default(), &review).await {
            Err(error) => return unseen(&error),
            Ok(review) if review.status.as_ref().is_some_and(|it| it.allowed) => {}
            Ok(_) => {
                lacking
                    .push(format!("{verb} {resource}{}", subresource.map(|it| format!("/{it}")).unwrap_or_default()));
            }
        }
    }
    if lacking.is_empty() {
        return Finding::Good("you may make servers here, and see how they are".into());
    }
    Finding::Lacking(format!("you may not {} here: ask an administrator for a Role", lacking.join(", ")))
}

async fn storage_class(client: &Client) -> Finding {
    match list::<StorageClass>(Api::all(client.clone()), &ListParams::default()).await {
        Err(error) => unseen(&error),
        Ok(classes) => class(
            &classes,
            DEFAULT_STORAGE,
            "there is none: storage and databases of servers need one",
            "none is the default: storage has to name one (storageClassName), or a default has to be set",
        ),
    }
}

async fn ingress_class(client: &Client) -> Finding {
    match list::<IngressClass>(Api::all(client.clone()), &ListParams::default()).await {
        Err(error) => unseen(&error),
        Ok(classes) => class(
            &classes,
            DEFAULT_INGRESS,
            "there is none: an Ingress needs a controller, such as Traefik",
            "none is the default: an Ingress has to name one (className)",
        ),
    }
}

fn class<K: ResourceExt>(classes: &[K], default: &str, none: &str, no_default: &str) -> Finding {
    let names: Vec<_> = classes.iter().map(ResourceExt::name_any).collect();
    let chosen: Vec<_> = classes
        .iter()
        .filter(|it| it.annotations().get(default).is_some_and(|it| it == "true"))
        .map(ResourceExt::name_any)
        .collect();
    match (names.is_empty(), chosen.as_slice()) {
        (true, _) => Finding::Lacking(none.into()),
        (false, []) => Finding::Lacking(format!("{}; {no_default}", names.join(", "))),
        (false, [one]) => Finding::Good(format!("{}; {one} is the default", names.join(", "))),
        (false, several) => Finding::Lacking(format!("several are the default, {}: leave one", several.join(", "))),
    }
}

async fn gateways(client: &Client) -> Finding {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "Gateway"));
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    match api.list(&ListParams::default()).await.map(|it| it.items) {
        Err(kube::Error::Api(status)) if status.code == 404 => {
            Finding::Lacking("the Gateway API is not installed: only an Ingress can lead to servers".into())
        }
        Err(error) => unseen(&error),
        Ok(gateways) if gateways.is_empty() => Finding::Lacking("the Gateway API is there, and no Gateway".into()),
        Ok(gateways) => {
            let name = |it: &DynamicObject| format!("{}/{}", it.namespace().unwrap_or_default(), it.name_any());
            let waiting: Vec<_> = gateways.iter().filter(|it| !is_programmed(&it.data)).map(name).collect();
            let all: Vec<_> = gateways.iter().map(name).collect();
            if waiting.is_empty() {
                return Finding::Good(all.join(", "));
            }
            Finding::Lacking(format!(
                "not programmed, so nothing gets through: {}; its conditions say why",
                waiting.join(", ")
            ))
        }
    }
}

fn is_programmed(gateway: &Value) -> bool {
    let conditions = gateway["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|it| it["type"] == "Programmed" && it["status"] == "True")
}

/// What the operator was started with, and whether names below it lead anywhere.
async fn base_domain(operators: &Listed<Deployment>) -> Finding {
    let domain = operators.iter().flatten().find_map(|it| setting(it, "base-domain"));
    let Some(domain) = domain else {
        return Finding::Unseen("none is set: a server that is exposed has to name its host".into());
    };
    let host = format!("landfall-doctor.{domain}");
    let lookup = tokio::time::timeout(LOOKUP, tokio::net::lookup_host((host.as_str(), 443))).await;
    match lookup.map(|it| it.map(|mut it| it.next())) {
        Ok(Ok(Some(address))) => Finding::Good(format!("{domain}; names below it lead to {}", address.ip())),
        _ => Finding::Lacking(format!(
            "{domain}; from here, {host} leads nowhere: add a DNS record for *.{domain} that leads to the ingress or gateway"
        )),
    }
}

/// A setting of the operator, given as an argument or a variable.
fn setting(operator: &Deployment, name: &str) -> Option<String> {
    let containers = operator.spec.iter().filter_map(|it| it.template.spec.as_ref()).flat_map(|it| &it.containers);
    let variable = format!("LANDFALL_{}", name.to_ascii_uppercase().replace('-', "_"));
    containers.into_iter().find_map(|it| {
        let args = it.args.as_deref().unwrap_or_default();
        let equal = args.iter().find_map(|it| it.strip_prefix(&format!("--{name}="))).map(Into::into);
        let next = || args.iter().position(|it| *it == format!("--{name}")).and_then(|at| args.get(at + 1)).cloned();
        let env = || it.env.iter().flatten().find(|it| it.name == variable).and_then(|it| it.value.clone());
        equal.or_else(next).or_else(env).filter(|it: &String| !it.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    fn classes(defaults: &[bool]) -> Vec<StorageClass> {
        let class = |(at, default): (usize, &bool)| {
            let annotations = json!({DEFAULT_STORAGE: default.to_string()});
            from_value(json!({"metadata": {"name": format!("c{at}"), "annotations": annotations}, "provisioner": "x"}))
                .expect("a class")
        };
        defaults.iter().enumerate().map(class).collect()
    }

    #[test]
    fn one_class_is_the_default() {
        let judge = |defaults: &[bool]| class(&classes(defaults), DEFAULT_STORAGE, "none", "no default");
        assert_eq!(judge(&[]), Finding::Lacking("none".into()));
        assert_eq!(judge(&[false]), Finding::Lacking("c0; no default".into()));
        assert_eq!(judge(&[false, true]), Finding::Good("c0, c1; c1 is the default".into()));
        assert_eq!(judge(&[true, true]), Finding::Lacking("several are the default, c0, c1: leave one".into()));
    }

    #[test]
    fn a_setting_is_found_wherever_it_is_given() {
        let operator = |container: Value| -> Deployment {
            from_value(json!({"spec": {"selector": {}, "template": {"spec": {"containers": [container]}}}}))
                .expect("a Deployment")
        };
        for container in [
            json!({"name": "a", "args": ["operator", "--base-domain=mcp.example"]}),
            json!({"name": "a", "args": ["operator", "--base-domain", "mcp.example"]}),
            json!({"name": "a", "env": [{"name": "LANDFALL_BASE_DOMAIN", "value": "mcp.example"}]}),
        ] {
            assert_eq!(setting(&operator(container), "base-domain").as_deref(), Some("mcp.example"));
        }
        assert_eq!(setting(&operator(json!({"name": "a"})), "base-domain"), None);
    }
}
