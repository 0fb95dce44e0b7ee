use super::*;
use crate::gateway_api::Gateway;
use crate::references::{Front, GatewayApi, KnownGateway, References};
use crate::settings::Platform;
use crate::testing::{nothing_live, server, smallest_with};
use crate::validate::validate;
use serde_json::{Value, json};
use std::sync::Arc;

type Change = fn(&mut Value);

fn told(state: &ExposureState) -> String {
    match state {
        ExposureState::Closed(trouble) => format!("{}: {}", trouble.reason.as_str(), trouble.hint),
        ExposureState::Admitted(FrontDoor { url, called, .. }) => {
            let called = called.as_ref().map(|it| format!(" by {} at {}:{}", it.url, it.address, it.port));
            format!("{url}{}", called.unwrap_or_default())
        }
    }
}

fn look(expose: &Value, front: Front, ingress: Option<Value>, route: Option<Value>) -> String {
    let server = server(&smallest_with(&json!({"expose": expose})));
    let server = validate(&server, &References::default().with_front(front), &Platform::default()).expect("valid");
    let read = |it: Value| Arc::new(serde_json::from_value(it).expect("an Ingress"));
    let read_route = |it: Value| Arc::new(serde_json::from_value(it).expect("an HTTPRoute"));
    let children = Children {
        ingresses: ingress.into_iter().map(read).collect(),
        http_routes: route.into_iter().map(read_route).collect(),
        ..nothing_live()
    };
    told(&observe(&server, &children).expect("exposed"))
}

#[test]
fn an_ingress_is_admitted_when_it_has_an_address() {
    let ingress =
        |places: Value| Some(json!({"metadata": {"name": "echo"}, "status": {"loadBalancer": {"ingress": places}}}));
    let look = |expose: Value, places: Value| look(&expose, Front::default(), ingress(places), None);
    let plain = json!({"host": "echo.example"});
    assert!(look(plain.clone(), json!([])).starts_with("AddressPending: The Ingress has no address yet"));
    assert_eq!(
        look(plain, json!([{"ip": "203.0.113.7"}])),
        "http://echo.example/mcp by http://echo.example/mcp at 203.0.113.7:80"
    );
    let secured = json!({"host": "echo.example", "ingress": {"tls": {}}});
    assert_eq!(
        look(secured, json!([{"hostname": "lb.example"}])),
        "https://echo.example/mcp by https://echo.example/mcp at lb.example:443"
    );
    let mapped = json!({"host": "echo.example", "publicUrl": "https://mcp.example:8443"});
    assert_eq!(
        look(mapped, json!([{"ip": "203.0.113.7"}])),
        "https://mcp.example:8443/mcp by http://echo.example/mcp at 203.0.113.7:80"
    );
}

fn gateway() -> Value {
    json!({
        "metadata": {"name": "main", "namespace": "team", "generation": 2},
        "spec": {"gatewayClassName": "public", "listeners": [
            {"name": "https", "port": 8443, "protocol": "HTTPS"}, {"name": "http", "port": 80, "protocol": "HTTP"},
        ]},
        "status": {
            "addresses": [{"value": "203.0.113.7"}],
            "conditions": [condition("Programmed", "True", "Programmed", 2)],
            "listeners": [{"name": "https", "conditions": [
                condition("ResolvedRefs", "True", "ResolvedRefs", 2), condition("Programmed", "True", "Programmed", 2),
            ]}],
        },
    })
}

fn route() -> Value {
    json!({
        "metadata": {"name": "echo", "namespace": "team", "generation": 5}, "spec": {},
        "status": {"parents": [{"parentRef": {"name": "main", "group": "gateway.networking.k8s.io"}, "conditions": [
            condition("Accepted", "True", "Accepted", 5), condition("ResolvedRefs", "True", "ResolvedRefs", 5),
        ]}]},
    })
}

fn condition(type_: &str, status: &str, reason: &str, generation: i64) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": "What it says.", "observedGeneration": generation,
           "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

fn at_gateway(change_gateway: Change, change_route: Change) -> String {
    let (mut gateway, mut route) = (gateway(), route());
    change_gateway(&mut gateway);
    change_route(&mut route);
    let gateway: Gateway = serde_json::from_value(gateway).expect("a Gateway");
    let known = Known::There(KnownGateway { gateway: Arc::new(gateway), class: None });
    let front = Front {
        gateway_api: GatewayApi::Served,
        gateways: [(("team".to_owned(), "main".to_owned()), known)].into(),
        ..Front::default()
    };
    let expose = json!({"host": "echo.example", "gateway": {"parentRefs": [{"name": "main"}]}});
    look(&expose, front, None, Some(route))
}

#[test]
fn the_url_of_a_route_is_that_of_the_listener() {
    let as_it_is: Change = |_| ();
    assert_eq!(
        at_gateway(as_it_is, as_it_is),
        "https://echo.example:8443/mcp by https://echo.example:8443/mcp at 203.0.113.7:8443"
    );
    let broken: Change = |it| {
        it["status"]["listeners"][0]["conditions"][0] = condition("ResolvedRefs", "False", "InvalidCertificateRef", 2);
    };
    assert_eq!(
        at_gateway(broken, as_it_is),
        "http://echo.example/mcp by http://echo.example/mcp at 203.0.113.7:80",
        "the other one works"
    );
}

#[test]
fn what_a_gateway_lacks_is_told() {
    let as_it_is: Change = |_| ();
    let cases: [(Change, Change, &str); 9] = [
        (as_it_is, |it| it["status"] = json!({}), "RoutePending: No controller has looked"),
        (as_it_is, |it| it["metadata"]["generation"] = json!(6), "RoutePending: No controller has looked"),
        (
            as_it_is,
            |it| {
                it["status"]["parents"][0]["conditions"][0] =
                    condition("Accepted", "False", "NotAllowedByListeners", 5);
            },
            "RouteNotAccepted: Gateway \"main\" in namespace \"team\" does not take the HTTPRoute: let allowedRoutes of its listeners include this namespace (NotAllowedByListeners).",
        ),
        (
            as_it_is,
            |it| it["status"]["parents"][0]["conditions"][1] = condition("ResolvedRefs", "False", "Odd", 5),
            "RouteNotAccepted: Gateway \"main\" in namespace \"team\" does not take the HTTPRoute: its controller gives the reason Odd.",
        ),
        (
            |it| it["status"]["conditions"][0] = condition("Programmed", "False", "Invalid", 2),
            as_it_is,
            "GatewayNotReady: Gateway \"main\" in namespace \"team\" is not ready for requests (Invalid).",
        ),
        (
            |it| it["status"]["addresses"] = json!([]),
            as_it_is,
            "AddressPending: Gateway \"main\" in namespace \"team\" has no address yet",
        ),
        (
            |it| {
                it["spec"]["listeners"].as_array_mut().expect("a list").pop();
                it["status"]["listeners"][0]["conditions"][0] =
                    condition("ResolvedRefs", "False", "InvalidCertificateRef", 2);
            },
            as_it_is,
            "CertificateNotReady: The certificate of listener \"https\"",
        ),
        (
            |it| {
                it["spec"]["listeners"].as_array_mut().expect("a list").pop();
                it["status"]["listeners"][0]["conditions"][1] = condition("Programmed", "False", "PortUnavailable", 2);
            },
            as_it_is,
            "GatewayNotReady: Listener \"https\" of Gateway \"main\"",
        ),
        (
            |it| {
                it["spec"]["listeners"] =
                    json!([{"name": "a", "port": 80, "protocol": "HTTP", "hostname": "a.example"}]);
            },
            as_it_is,
            "RouteNotAccepted: Gateway \"main\" in namespace \"team\" has no listener for the host \"echo.example\"",
        ),
    ];
    for (gateway, route, expected) in cases {
        let told = at_gateway(gateway, route);
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn a_gateway_that_may_not_be_seen_needs_a_public_url() {
    let front = || Front { gateway_api: GatewayApi::Served, ..Front::default() };
    let mut expose = json!({"host": "echo.example", "gateway": {"parentRefs": [{"name": "main"}]}});
    assert!(look(&expose, front(), None, Some(route())).starts_with("GatewayNotWatched: The operator may not look"));
    expose["publicUrl"] = json!("https://mcp.example");
    assert_eq!(look(&expose, front(), None, Some(route())), "https://mcp.example/mcp", "and it cannot be called");
}
