//! Whether the way in leads to the server, and under which URL: by what its controller says, never by
//! what was merely asked for.

use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::Trouble;
use crate::api::conditions::Reason;
use crate::children::{Children, Live};
use crate::gateway_api::{Gateway, HTTPRoute, Listener, RouteParentStatus};
use crate::references::Known;
use crate::validate::{ExposurePlan, GatewayPlan, IngressPlan, ParentPlan, ValidatedServer, Way};

/// How the way in is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExposureState {
    /// It leads nowhere yet.
    Closed(Trouble),
    /// Its controller lets requests in.
    Admitted(FrontDoor),
}

impl ExposureState {
    /// Whether it can be called from here as soon as it lets anybody in.
    pub fn is_callable(&self) -> bool {
        !matches!(self, Self::Admitted(FrontDoor { called: None, .. }))
    }
}

/// Where clients outside of the cluster come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontDoor {
    /// What clients use.
    pub url: String,
    /// How it is called from here; `None` where that is not known.
    pub called: Option<Called>,
    /// Why sessions may get lost on this way.
    pub session_risk: Option<String>,
}

/// A URL, and the address at which its host is to be found whatever DNS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    pub url: String,
    /// An IP address or a name.
    pub address: String,
    pub port: i32,
    /// Which object leads there, and which of its generations.
    pub route: String,
}

/// `None` for a server that is not exposed.
pub(super) fn observe(server: &ValidatedServer, children: &Children<Live>) -> Option<ExposureState> {
    let plan = server.exposure.as_ref()?;
    let admitted = match (&plan.obstacle, &plan.way) {
        (Some(obstacle), _) => Err(Trouble::new(obstacle.reason, &obstacle.message, None)),
        (None, Way::Ingress(way)) => ingress(plan, way, children.ingresses.first().map(|it| &**it)),
        (None, Way::Gateway(way)) => {
            gateway(plan, way, &server.namespace, children.http_routes.first().map(|it| &**it))
        }
    };
    Some(match admitted {
        Ok(called) => ExposureState::Admitted(FrontDoor {
            url: plan.public_url.clone().or_else(|| called.as_ref().map(|it| it.url.clone())).unwrap_or_default(),
            called,
            session_risk: plan.session_risk.clone(),
        }),
        Err(trouble) => ExposureState::Closed(trouble),
    })
}

type Admission = Result<Option<Called>, Trouble>;

fn ingress(plan: &ExposurePlan, way: &IngressPlan, live: Option<&Ingress>) -> Admission {
    let live = live.ok_or_else(|| not_made("Ingress"))?;
    let status = live.status.as_ref().and_then(|it| it.load_balancer.as_ref());
    let mut places = status.into_iter().flat_map(|it| it.ingress.iter().flatten());
    let address = places.find_map(|it| it.ip.clone().or_else(|| it.hostname.clone())).ok_or_else(|| {
        let class = way.class_name.as_deref().unwrap_or("the cluster's default");
        let hint = format!(
            "The Ingress has no address yet: the controller of its class ({class}) does not run, does not serve this \
             namespace, or waits for a load balancer itself (kubectl describe ingress {}).",
            live.name_any()
        );
        Trouble::new(Reason::AddressPending, &hint, None)
    })?;
    let (is_tls, port) = way.scheme();
    Ok(Some(Called { url: plan.url(is_tls, port), address, port, route: version(live) }))
}

/// Through the first gateway that lets requests in.
fn gateway(plan: &ExposurePlan, way: &GatewayPlan, namespace: &str, live: Option<&HTTPRoute>) -> Admission {
    let live = live.ok_or_else(|| not_made("HTTPRoute"))?;
    let mut first_trouble = None;
    for parent in &way.parents {
        match through(plan, parent, namespace, live) {
            Ok(called) => return Ok(called),
            Err(trouble) => first_trouble = first_trouble.or(Some(trouble)),
        }
    }
    Err(first_trouble.unwrap_or_else(|| not_made("HTTPRoute")))
}

fn through(plan: &ExposurePlan, parent: &ParentPlan, namespace: &str, live: &HTTPRoute) -> Admission {
    accepted(parent, live)?;
    let gateway = match &parent.gateway {
        Known::There(known) => &known.gateway,
        Known::Unwatched if plan.public_url.is_some() => return Ok(None),
        Known::Absent | Known::Unwatched => return Err(not_seen(parent)),
    };
    let status = gateway.status.as_ref();
    let conditions = status.map_or(&[][..], |it| &it.conditions);
    if let Some(condition) = refused(conditions, "Programmed", gateway.metadata.generation) {
        let hint = format!("{} is not ready for requests ({}).", parent.text(), condition.reason);
        return Err(Trouble::new(Reason::GatewayNotReady, &hint, Some(&condition.message)));
    }
    let listener = ready_listener(plan, parent, namespace, gateway)?;
    let address = status.and_then(|it| it.addresses.first()).ok_or_else(|| {
        let hint = format!(
            "{} has no address yet: its controller waits for a load balancer, or is set up without one.",
            parent.text()
        );
        Trouble::new(Reason::AddressPending, &hint, None)
    })?;
    Ok(Some(Called {
        url: plan.url(listener.is_tls(), listener.port),
        address: address.value.clone(),
        port: listener.port,
        route: version(live),
    }))
}

fn version(live: &impl ResourceExt) -> String {
    format!("{}/{}", live.uid().unwrap_or_default(), live.meta().generation.unwrap_or_default())
}

/// What the gateway's controller says of the route.
fn accepted(parent: &ParentPlan, live: &HTTPRoute) -> Result<(), Trouble> {
    let is_it = |it: &&RouteParentStatus| {
        let namespace = it.parent_ref.namespace.as_ref().or(live.metadata.namespace.as_ref());
        it.parent_ref.name == parent.name
            && namespace == Some(&parent.namespace)
            && it.parent_ref.section_name == parent.section_name
            && it.parent_ref.port == parent.port
    };
    let said = live.status.iter().flat_map(|it| &it.parents).find(is_it);
    let generation = live.metadata.generation;
    let current = |type_: &str| {
        let conditions = said.into_iter().flat_map(|it| &it.conditions);
        conditions.filter(|it| it.observed_generation >= generation).find(|it| it.type_ == type_)
    };
    let Some(accepted) = current("Accepted") else {
        let hint = format!(
            "No controller has looked at the HTTPRoute for {} yet: check that the one of its GatewayClass runs.",
            parent.text()
        );
        return Err(Trouble::new(Reason::RoutePending, &hint, None));
    };
    let mut conditions = [Some(accepted), current("ResolvedRefs")].into_iter().flatten();
    match conditions.find(|it| it.status == "False") {
        None => Ok(()),
        Some(condition) => {
            let hint = format!("{} does not take the HTTPRoute: {}.", parent.text(), remedy(&condition.reason));
            Err(Trouble::new(Reason::RouteNotAccepted, &hint, Some(&condition.message)))
        }
    }
}

/// What to do about a reason of the Gateway API.
fn remedy(reason: &str) -> String {
    let known = match reason {
        "NotAllowedByListeners" => "let allowedRoutes of its listeners include this namespace",
        "NoMatchingListenerHostname" => "choose a spec.expose.host that one of its listeners serves",
        "NoMatchingParent" => "name a listener and a port that it has in spec.expose.gateway.parentRefs",
        "RefNotPermitted" => "a ReferenceGrant has to allow what the route refers to",
        "UnsupportedValue" | "IncompatibleFilters" => "check spec.expose.gateway: its controller cannot do all of it",
        "InvalidKind" | "BackendNotFound" => "check what spec.expose.gateway.filters refer to",
        _ => return format!("its controller gives the reason {reason}"),
    };
    format!("{known} ({reason})")
}

/// The first listener, those with TLS before others, that is ready.
fn ready_listener<'a>(
    plan: &ExposurePlan,
    parent: &'a ParentPlan,
    namespace: &str,
    gateway: &Gateway,
) -> Result<&'a Listener, Trouble> {
    let mut first_trouble = None;
    for listener in parent.listeners(&plan.host, namespace) {
        match listener_trouble(listener, parent, gateway) {
            None => return Ok(listener),
            trouble => first_trouble = first_trouble.or(trouble),
        }
    }
    Err(first_trouble.unwrap_or_else(|| {
        let hint = format!(
            "{} has no listener for the host \"{}\" and this namespace: choose another spec.expose.host, or change the \
             Gateway's listeners.",
            parent.text(),
            plan.host
        );
        Trouble::new(Reason::RouteNotAccepted, &hint, None)
    }))
}

fn listener_trouble(listener: &Listener, parent: &ParentPlan, gateway: &Gateway) -> Option<Trouble> {
    let listeners = &gateway.status.as_ref()?.listeners;
    let conditions = &listeners.iter().find(|it| it.name == listener.name)?.conditions;
    let generation = gateway.metadata.generation;
    if let Some(condition) = refused(conditions, "ResolvedRefs", generation) {
        let hint = format!(
            "The certificate of listener \"{}\" of {} is not ready ({}).",
            listener.name,
            parent.text(),
            condition.reason
        );
        return Some(Trouble::new(Reason::CertificateNotReady, &hint, Some(&condition.message)));
    }
    let condition = refused(conditions, "Programmed", generation)?;
    let hint = format!(
        "Listener \"{}\" of {} is not ready for requests ({}).",
        listener.name,
        parent.text(),
        condition.reason
    );
    Some(Trouble::new(Reason::GatewayNotReady, &hint, Some(&condition.message)))
}

/// A condition that speaks against it, of this generation.
fn refused<'a>(conditions: &'a [Condition], type_: &str, generation: Option<i64>) -> Option<&'a Condition> {
    let is_it = |it: &&Condition| it.type_ == type_ && it.status == "False" && it.observed_generation >= generation;
    conditions.iter().find(is_it)
}

fn not_made(kind: &str) -> Trouble {
    Trouble::new(Reason::RoutePending, &format!("The {kind} is not there yet."), None)
}

fn not_seen(parent: &ParentPlan) -> Trouble {
    let hint = format!(
        "The operator may not look at {}, and so does not know the URL: say it in spec.expose.publicUrl, or start the \
         operator with watchClasses.",
        parent.text()
    );
    Trouble::new(Reason::GatewayNotWatched, &hint, None)
}

#[cfg(test)]
mod tests;
