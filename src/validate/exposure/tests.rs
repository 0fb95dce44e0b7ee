use super::*;
use crate::gateway_api::{Gateway, GatewayClass};
use crate::references::{Claim, KnownGateway, References};
use crate::testing::{server, smallest_with};
use crate::validate::{ValidatedServer, validate};
use k8s_openapi::api::networking::v1::IngressClass;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn platform() -> Platform {
    let expose = ExposeDefaults {
        base_domain: Some("mcp.example.com".into()),
        default_ingress_class: None,
        default_gateway: None,
        default_issuer: None,
    };
    Platform { expose, ..Platform::default() }
}

fn front(controller: &str) -> Front {
    let class: IngressClass =
        serde_json::from_value(json!({"metadata": {"name": "public"}, "spec": {"controller": controller}}))
            .expect("a class");
    Front { ingress_class: Known::There(Arc::new(class)), gateway_api: GatewayApi::Served, ..Front::default() }
}

fn checked(expose: &Value, front: Front, platform: &Platform) -> Result<ValidatedServer, Problems> {
    let server = server(&smallest_with(&json!({"expose": expose})));
    validate(&server, &References::default().with_front(front), platform)
}

fn planned(expose: &Value, front: Front, platform: &Platform) -> ExposurePlan {
    checked(expose, front, platform).expect("valid").exposure.expect("exposed")
}

fn ingress(plan: &ExposurePlan) -> &IngressPlan {
    let Way::Ingress(plan) = &plan.way else { panic!("no Ingress: {plan:?}") };
    plan
}

fn gateway(plan: &ExposurePlan) -> &GatewayPlan {
    let Way::Gateway(plan) = &plan.way else { panic!("no HTTPRoute: {plan:?}") };
    plan
}

#[test]
fn nothing_but_defaults_is_enough() {
    let plan = planned(&json!({}), front("traefik.io/ingress-controller"), &platform());
    assert_eq!(plan.host, "echo.team.mcp.example.com");
    assert_eq!((plan.paths.as_slice(), ingress(&plan).class_name.as_deref()), (&["/".to_owned()][..], Some("public")));
    assert_eq!(plan.expected_url("team"), "http://echo.team.mcp.example.com/mcp");

    let mut platform = platform();
    platform.expose.default_issuer = Some("corp".into());
    let plan = planned(&json!({}), front("traefik.io/ingress-controller"), &platform);
    let tls = ingress(&plan).tls.as_ref().expect("TLS");
    assert_eq!(tls.secret_name.as_deref(), Some("echo-tls"));
    assert_eq!(ingress(&plan).annotations["cert-manager.io/cluster-issuer"], "corp");
    assert_eq!(plan.expected_url("team"), "https://echo.team.mcp.example.com/mcp");

    platform.expose.default_gateway = default_gateway("gateways/main/https").ok();
    let plan = planned(&json!({}), Front { gateway_api: GatewayApi::Served, ..Front::default() }, &platform);
    let parent = &gateway(&plan).parents[0];
    assert_eq!(
        (parent.text().as_str(), parent.section_name.as_deref()),
        ("Gateway \"main\" in namespace \"gateways\"", Some("https"))
    );
    let plan = planned(&json!({"ingress": {}}), front("x"), &platform);
    assert!(matches!(plan.way, Way::Ingress(_)), "what a spec asks for goes before the default");
}

#[test]
fn the_controller_is_told_what_streams_need() {
    let annotations = |controller: &str, expose: Value| {
        ingress(&planned(&expose, front(controller), &platform())).annotations.clone()
    };
    let nginx = annotations("k8s.io/ingress-nginx", json!({}));
    assert_eq!(nginx["nginx.ingress.kubernetes.io/proxy-read-timeout"], "3600");
    assert!(annotations("traefik.io/ingress-controller", json!({})).is_empty());
    let own = json!({"ingress": {"annotations": {"nginx.ingress.kubernetes.io/proxy-read-timeout": "60"}}});
    assert_eq!(annotations("k8s.io/ingress-nginx", own)["nginx.ingress.kubernetes.io/proxy-read-timeout"], "60");
}

#[test]
fn a_spec_that_cannot_be_reached_is_refused() {
    let nowhere = Platform::default();
    for (expose, platform, expected) in [
        (json!({}), &nowhere, "spec.expose.host: is not set, and Landfall was started without a baseDomain"),
        (json!({"paths": ["/other"]}), &platform(), "spec.expose.paths: none of /other covers spec.path, \"/mcp\""),
        (json!({"paths": ["/mc"]}), &platform(), "spec.expose.paths: none of /mc covers spec.path"),
        (json!({"gateway": {}}), &platform(), "spec.expose.gateway.parentRefs: is not set"),
        (json!({"host": format!("{}.example", "a".repeat(64))}), &nowhere, "is no DNS name: use labels of at most 63"),
        (json!({"ingress": {"annotations": {"a//b": "c"}}}), &platform(), "spec.expose.ingress.annotations: \"a//b\""),
    ] {
        let problems = checked(&expose, Front::default(), platform).expect_err("refused").to_string();
        assert!(problems.contains(expected), "{expose}: {problems}");
    }
    assert!(checked(&json!({"paths": ["/mcp"]}), Front::default(), &platform()).is_ok());
}

#[test]
fn what_is_not_there_is_named() {
    let gateways = |known: Known<KnownGateway>| BTreeMap::from([(("gateways".to_owned(), "main".to_owned()), known)]);
    let asked = json!({"gateway": {"parentRefs": [{"name": "main", "namespace": "gateways", "sectionName": "https"}]}});
    let named = json!({"ingress": {"className": "public", "tls": {"secretName": "cert"}}});
    let issued = json!({"ingress": {"tls": {"issuer": "corp"}}});
    let without_listener = KnownGateway { gateway: Arc::new(a_gateway(&json!([]))), class: None };
    let claim = Claim {
        kind: "Ingress".into(),
        namespace: "other".into(),
        name: "old".into(),
        server: None,
        created: None,
        route: Route { hosts: vec!["echo.team.mcp.example.com".into()], paths: vec!["/".into()], through: vec![] },
    };
    let absent = || Front { ingress_class: Known::Absent, gateway_api: GatewayApi::Served, ..Front::default() };
    for (expose, front, reason, part) in [
        (&named, absent(), Reason::IngressClassMissing, "There is no IngressClass \"public\""),
        (&json!({}), absent(), Reason::IngressClassMissing, "no default IngressClass"),
        (&asked, Front::default(), Reason::GatewayAPIMissing, "has no Gateway API"),
        (
            &asked,
            Front { gateway_api: GatewayApi::Old(vec!["v1beta1".into()]), ..Front::default() },
            Reason::GatewayAPIMissing,
            "only in v1beta1",
        ),
        (
            &asked,
            Front { gateways: gateways(Known::Absent), ..absent() },
            Reason::GatewayMissing,
            "There is no Gateway \"main\" in namespace \"gateways\"",
        ),
        (
            &asked,
            Front { gateways: gateways(Known::There(without_listener)), ..absent() },
            Reason::GatewayMissing,
            "has no listener \"https\"",
        ),
        (&named, Front { certificate: Known::Absent, ..front("x") }, Reason::CertificateNotReady, "no Secret \"cert\""),
        (&issued, Front { certificate: Known::Absent, ..front("x") }, Reason::CertificateNotReady, "Issuer \"corp\""),
        (&json!({}), Front { claims: vec![claim], ..front("x") }, Reason::HostTaken, "taken by Ingress \"old\""),
    ] {
        let obstacle = planned(expose, front, &platform()).obstacle.expect("an obstacle");
        assert_eq!(obstacle.reason, reason, "{obstacle:?}");
        assert!(obstacle.message.contains(part), "{obstacle:?}");
        assert_eq!(obstacle.forbids, matches!(reason, Reason::HostTaken | Reason::GatewayAPIMissing));
    }
}

fn a_gateway(listeners: &Value) -> Gateway {
    serde_json::from_value(json!({
        "metadata": {"name": "main", "namespace": "gateways"},
        "spec": {"gatewayClassName": "public", "listeners": listeners},
    }))
    .expect("a Gateway")
}

fn a_class(features: &Value) -> Arc<GatewayClass> {
    let class = json!({"metadata": {"name": "public"}, "spec": {"controllerName": "x"}, "status": {"supportedFeatures": features}});
    Arc::new(serde_json::from_value(class).expect("a GatewayClass"))
}

#[test]
fn limits_are_lifted_where_the_class_has_them() {
    let asked = json!({"gateway": {"parentRefs": [{"name": "main", "namespace": "gateways"}]}});
    let limit = |class: Option<Arc<GatewayClass>>, expose: &Value| {
        let known = Known::There(KnownGateway { gateway: Arc::new(a_gateway(&json!([]))), class });
        let gateways = BTreeMap::from([(("gateways".to_owned(), "main".to_owned()), known)]);
        let front = Front { gateway_api: GatewayApi::Served, gateways, ..Front::default() };
        gateway(&planned(expose, front, &platform())).request_timeout.clone()
    };
    assert_eq!(limit(None, &asked).as_deref(), Some("0s"));
    assert_eq!(limit(Some(a_class(&json!([]))), &asked).as_deref(), Some("0s"), "it does not say what it can do");
    assert_eq!(limit(Some(a_class(&json!([{"name": "HTTPRouteRequestTimeout"}]))), &asked).as_deref(), Some("0s"));
    assert_eq!(limit(Some(a_class(&json!(["HTTPRouteHostRewrite"]))), &asked), None, "names, as at first");
    let own = json!({"gateway": {"parentRefs": [{"name": "main"}], "timeouts": {"request": "1h"}}});
    assert_eq!(limit(None, &own).as_deref(), Some("1h"));
}

#[test]
fn a_listener_with_tls_goes_before_others() {
    let all = json!({"namespaces": {"from": "All"}});
    let listeners = json!([
        {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": all},
        {"name": "own", "port": 443, "protocol": "HTTPS"},
        {"name": "https", "port": 8443, "protocol": "HTTPS", "hostname": "*.mcp.example.com", "allowedRoutes": all},
        {"name": "other", "port": 443, "protocol": "HTTPS", "hostname": "other.example.com", "allowedRoutes": all},
        {"name": "tcp", "port": 22, "protocol": "TCP", "allowedRoutes": all},
    ]);
    let known = Known::There(KnownGateway { gateway: Arc::new(a_gateway(&listeners)), class: None });
    let gateways = BTreeMap::from([(("gateways".to_owned(), "main".to_owned()), known)]);
    let front = Front { gateway_api: GatewayApi::Served, gateways, ..Front::default() };
    let asked = json!({"gateway": {"parentRefs": [{"name": "main", "namespace": "gateways"}]}});
    let plan = planned(&asked, front, &platform());
    let names: Vec<_> =
        gateway(&plan).parents[0].listeners(&plan.host, "team").iter().map(|it| it.name.clone()).collect();
    assert_eq!(names, ["https", "http"]);
    assert_eq!(plan.expected_url("team"), "https://echo.team.mcp.example.com:8443/mcp");
}

#[test]
fn a_public_url_is_used_as_written() {
    let url = |url: &str| planned(&json!({"publicUrl": url}), front("x"), &platform()).expected_url("team");
    assert_eq!(url("https://a.example:8443"), "https://a.example:8443/mcp");
    assert_eq!(url("https://a.example/"), "https://a.example/");
    assert_eq!(url("https://a.example/b/mcp/"), "https://a.example/b/mcp/");
}

#[test]
fn a_server_is_called_by_the_name_of_its_route_too() {
    let allowed = |expose: &Value| {
        let env = checked(expose, front("x"), &platform()).expect("valid").pod.env;
        let hosts = env.into_iter().find(|it| it.name == "MCP_ALLOWED_HOSTS").and_then(|it| it.value);
        hosts.expect("told").split(',').skip_while(|it| *it != "127.0.0.1:3001").skip(1).map(str::to_owned).collect()
    };
    let hosts: Vec<_> = allowed(&json!({"publicUrl": "https://a.example:8443"}));
    assert_eq!(hosts, ["a.example", "a.example:8443", "echo.team.mcp.example.com"]);
    let hosts: Vec<_> = allowed(&json!({}));
    assert_eq!(hosts, ["echo.team.mcp.example.com"]);
}

#[test]
fn sessions_that_get_lost_are_told() {
    let risk = |more: Value, controller: &str| {
        let mut spec = smallest_with(&json!({"expose": {}}));
        spec.as_object_mut().expect("a spec").extend(more.as_object().expect("fields").clone());
        let references = References::default().with_front(front(controller));
        let plan = validate(&server(&spec), &references, &platform()).expect("valid").exposure;
        plan.expect("exposed").session_risk
    };
    let several = json!({"replicas": 3, "service": {"sessionAffinity": "ClientIP"}});
    assert!(risk(several.clone(), "traefik.io/ingress-controller").is_some_and(|it| it.contains("3 pods")));
    assert_eq!(risk(several, "k8s.io/ingress-nginx"), None, "it can lead a client to the same pod");
    assert_eq!(risk(json!({"replicas": 3, "sessions": "Stateless"}), "traefik.io/ingress-controller"), None);
    assert_eq!(risk(json!({}), "traefik.io/ingress-controller"), None);
}
