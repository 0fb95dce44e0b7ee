//! A way in from outside: Traefik, as Ingress controller and as Gateway, with the standard Gateway API.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Cluster;
use crate::binaries::{Manifests, Package, Source, Tool};
use crate::pki::Identity;
use crate::requirements::missing_go;

/// The name of the `IngressClass` and of the `GatewayClass`.
const CLASS: &str = "traefik";
/// The namespace of the Gateways.
const GATEWAYS: &str = "gateways";
/// Whose rights Traefik has.
const USER: &str = "landfall-traefik";
const CERTIFICATE: &str = "front-door";

/// Where Traefik listens. A Gateway's listener works only at a port that stands here.
const ENTRY_POINTS: [(&str, u16); 3] = [("web", 80), ("websecure", 443), ("alt", 8088)];

static TRAEFIK: Tool = Tool {
    source: Source {
        name: "traefik-3.6",
        files: &[
            ("go.mod", include_str!("../../go/traefik-3.6/go.mod")),
            ("go.sum", include_str!("../../go/traefik-3.6/go.sum")),
        ],
        duration: "about 7 minutes on two cores",
        version: None,
    },
    package: Package { name: "traefik", path: "github.com/traefik/traefik/v3/cmd/traefik", built_name: "traefik" },
};

/// The standard channel of the Gateway API, at the version that Traefik is built with.
static GATEWAY_API: Manifests = Manifests {
    source: &TRAEFIK.source,
    name: "gateway-api",
    module: "sigs.k8s.io/gateway-api",
    paths: &["config/crd/standard"],
};

/// Traefik's own resources, and the rights that its documentation asks for.
static TRAEFIK_RESOURCES: Manifests = Manifests {
    source: &TRAEFIK.source,
    name: "resources",
    module: "github.com/traefik/traefik/v3",
    paths: &[
        "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml",
        "docs/content/reference/dynamic-configuration/kubernetes-crd-rbac.yml",
        "docs/content/reference/dynamic-configuration/kubernetes-gateway-rbac.yml",
    ],
};
const ROLES: [&str; 2] = ["traefik-ingress-controller", "gateway-role"];

/// `None` if this machine can open a front door; otherwise what is missing and how to get it.
pub fn missing_for_front_door() -> Option<String> {
    let fetched = [&GATEWAY_API, &TRAEFIK_RESOURCES].iter().all(|it| it.are_there());
    let fetch = || missing_go().map(|missing| format!("{missing}, to fetch the Gateway API"));
    TRAEFIK.missing().or_else(|| if fetched { None } else { fetch() })
}

impl Cluster {
    /// Installs the resources of the Gateway API, at the version that the front door knows.
    pub async fn install_gateway_api(&self) -> Result<()> {
        self.install(&GATEWAY_API.make().await?).await
    }

    /// A certificate that the cluster's authority ([`Cluster::authority`]) signs, for a server with these names.
    pub fn serving_certificate(&self, names: &[&str]) -> Result<Identity> {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        self.authority.server(&format!("serving-{number}"), names)
    }

    /// The certificate of the authority that signs what [`Cluster::serving_certificate`] gives.
    pub fn authority(&self) -> PathBuf {
        self.authority.certificate()
    }

    /// Starts Traefik on the node, which then answers at the node's address: on 80 and 443 what an
    /// Ingress of the class `traefik` says, and on these and 8088 what a route of a Gateway says.
    ///
    /// The namespace `gateways` has the Gateway `main` with the listeners `http`, `https` (for hosts
    /// under `domain`) and `alt`, open to all namespaces, and `narrow`, open to none but its own.
    pub async fn open_front_door(&self, domain: &str) -> Result<()> {
        let address = self.node_address().context("a control plane alone has no front door")?;
        let traefik = TRAEFIK.make().await?;
        self.install_gateway_api().await?;
        self.install(&TRAEFIK_RESOURCES.make().await?).await?;
        let wildcard = format!("*.{domain}");
        let certificate = self.serving_certificate(&[&wildcard])?;
        let objects = self.directory().join("front-door.json");
        fs::write(&objects, objects_of(&wildcard, &certificate)?.to_string())?;
        self.kubectl_run(&["apply", "--server-side", "--filename", &objects.to_string_lossy()]).await?;

        let mut command = Command::new(traefik);
        command.env("KUBECONFIG", self.kubeconfig_for(USER, &[])?).args(arguments(address));
        self.launch("traefik", &command)?;
        let gateways = ["gateway", "--all", "--namespace", GATEWAYS, "--timeout=1s"];
        let programmed = [&["wait", "--for=condition=Programmed"], gateways.as_slice()].concat();
        self.until("the Gateways", || async { self.kubectl_run(&programmed).await.map(|()| true) }).await
    }

    /// Applies the files of a folder, and waits until the API server serves the resources in them.
    async fn install(&self, folder: &Path) -> Result<()> {
        let folder = folder.to_string_lossy();
        self.kubectl_run(&["apply", "--server-side", "--filename", &folder]).await?;
        let all = ["wait", "--for=condition=Established", "customresourcedefinitions", "--all", "--timeout=60s"];
        self.kubectl_run(&all).await
    }

    async fn kubectl_run(&self, arguments: &[&str]) -> Result<()> {
        let mut kubectl = tokio::process::Command::new(self.kubectl()?);
        kubectl.args(arguments).env("KUBECONFIG", self.kubeconfig()).kill_on_drop(true);
        let output = kubectl.output().await.context("cannot start kubectl")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl {}: {said}", arguments.join(" "));
        Ok(())
    }
}

fn arguments(address: Ipv4Addr) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "--providers.kubernetesingress",
        "--providers.kubernetescrd",
        "--providers.kubernetesgateway",
        // Ends TLS for an Ingress too, which has no word for the port that it wants.
        "--entrypoints.websecure.http.tls",
        "--entrypoints.web.asdefault",
        "--entrypoints.websecure.asdefault",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--log.format=json",
    ]
    .map(str::to_owned)
    .into();
    for (name, port) in ENTRY_POINTS {
        arguments.push(format!("--entrypoints.{name}.address={address}:{port}"));
    }
    // What the status of an Ingress and of a Gateway then says.
    arguments.push(format!("--providers.kubernetesingress.ingressendpoint.ip={address}"));
    arguments.push(format!("--providers.kubernetesgateway.statusaddress.ip={address}"));
    arguments
}

fn objects_of(wildcard: &str, certificate: &Identity) -> Result<Value> {
    let group = "gateway.networking.k8s.io/v1";
    let gateway = |name: &str, listeners: &Value| {
        json!({
            "apiVersion": group,
            "kind": "Gateway",
            "metadata": {"name": name, "namespace": GATEWAYS},
            "spec": {"gatewayClassName": CLASS, "listeners": listeners},
        })
    };
    let everybody = json!({"namespaces": {"from": "All"}});
    let tls = json!({"mode": "Terminate", "certificateRefs": [{"name": CERTIFICATE}]});
    let main = json!([
        {"name": "http", "protocol": "HTTP", "port": 80, "allowedRoutes": everybody},
        {"name": "https", "protocol": "HTTPS", "port": 443, "hostname": wildcard, "tls": tls, "allowedRoutes": everybody},
        {"name": "alt", "protocol": "HTTP", "port": 8088, "allowedRoutes": everybody},
    ]);
    let same = json!({"namespaces": {"from": "Same"}});
    let narrow = json!([{"name": "http", "protocol": "HTTP", "port": 80, "allowedRoutes": same}]);
    let rights = "rbac.authorization.k8s.io";
    let bindings = ROLES.map(|role| {
        json!({
            "apiVersion": format!("{rights}/v1"),
            "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("{USER}-{role}")},
            "roleRef": {"apiGroup": rights, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": rights, "kind": "User", "name": USER}],
        })
    });
    let mut items = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": GATEWAYS}}),
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": CERTIFICATE, "namespace": GATEWAYS},
            "type": "kubernetes.io/tls",
            "stringData": {
                "tls.crt": fs::read_to_string(&certificate.certificate)?,
                "tls.key": fs::read_to_string(&certificate.key)?,
            },
        }),
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": CLASS},
            "spec": {"controller": "traefik.io/ingress-controller"},
        }),
        json!({
            "apiVersion": group,
            "kind": "GatewayClass",
            "metadata": {"name": CLASS},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        }),
        gateway("main", &main),
        gateway("narrow", &narrow),
    ];
    items.extend(bindings);
    Ok(json!({"apiVersion": "v1", "kind": "List", "items": items}))
}
