//! What a dependency gives to the server and to other dependencies: variables with its address, and
//! how to log in.

use k8s_openapi::api::core::v1::SecretKeySelector;

use super::super::variables::{Value, Variable};
use super::super::{PartName, PodPort, Problems};
use super::defaults;
use super::login::Login;
use crate::api::{Dependency, PresetName};
use crate::presets::{Part, Preset};

/// What a dependency gives to others.
pub(super) struct Offer {
    pub(super) part: PartName,
    pub(super) ports: Vec<PodPort>,
    pub(super) login: Login,
    pub(super) variables: Vec<Variable>,
    pub(super) url: Option<String>,
    prefix: String,
}

impl Offer {
    pub(super) fn of(dependency: &Dependency, part: PartName, problems: &mut Problems) -> Self {
        let preset = dependency.preset.map(PresetName::preset);
        let ports = defaults::ports(dependency, preset, problems);
        let is_stored = defaults::is_stored(dependency, preset);
        let login = Login::of(dependency, &part, is_stored, problems);
        let prefix = dependency.name.to_ascii_uppercase().replace('-', "_");
        let mut offer = Self { part, ports, login, variables: Vec::new(), url: None, prefix };
        match dependency.external.as_ref().map(|it| (&it.url, &it.secret_ref)) {
            None => offer.lead_to_own(preset),
            Some((Some(url), _)) => offer.lead_to(url, problems),
            Some((None, Some(secret))) => offer.lead_where(&secret.name),
            Some((None, None)) => problems.add("spec.external", "has one source: give one of url and secretRef"),
        }
        offer
    }

    /// The variables of its own pod: as its image wants them, or else as others get them.
    pub(super) fn own_variables(&self, preset: Option<&Preset>) -> Vec<Variable> {
        let Some(preset) = preset else { return self.login.variables(&self.prefix).collect() };
        let mut own = Vec::new();
        if let Some(credentials) = preset.credentials.as_ref().filter(|_| !self.login.is_none()) {
            own.extend(credentials.env.iter().filter_map(|(name, part)| self.login.variable(name, *part)));
            let composed = credentials.composed.iter();
            own.extend(
                composed.map(|(name, text)| Variable { name: (*name).into(), value: Value::Composed((*text).into()) }),
            );
        }
        own.extend(preset.env.iter().map(|(name, text)| Variable::text(*name, *text)));
        own
    }

    fn lead_to_own(&mut self, preset: Option<&Preset>) {
        let (host, first) = (self.part.to_string(), self.ports.first());
        let port = first.map_or(0, |it| it.number).to_string();
        let credentials = preset.and_then(|it| it.credentials.as_ref()).filter(|_| !self.login.is_none());
        let scheme = first.map_or("http", |it| if it.name == "https" { "https" } else { "http" });
        let form = match (preset, credentials) {
            (_, Some(credentials)) => credentials.url.to_owned(),
            (Some(preset), None) => preset.url.to_owned(),
            (None, None) => format!("{scheme}://$(HOST):$(PORT)"),
        };
        let addressed = form.replace("$(HOST)", &host).replace("$(PORT)", &port);
        let url = Part::ALL.iter().fold(addressed, |url, part| {
            url.replace(&format!("$({})", part.variable()), &format!("$({}_{})", self.prefix, part.variable()))
        });
        self.url = Some(without_login(&url));
        let url = if url.contains("$(") { Value::Composed(url) } else { Value::Text(url) };
        self.offer([("HOST", Value::Text(host)), ("PORT", Value::Text(port))]);
        self.variables.extend(self.login.variables(&self.prefix));
        self.offer([("URL", url)]);
    }

    fn lead_to(&mut self, url: &str, problems: &mut Problems) {
        let Some((host, port)) = address(url) else {
            problems.add(
                "spec.external.url",
                format!("\"{url}\" is no URL: write one such as https://qdrant.example.com:6333"),
            );
            return;
        };
        self.offer([("HOST", Value::Text(host))]);
        self.offer(port.map(|port| ("PORT", Value::Text(port.to_string()))));
        self.variables.extend(self.login.variables(&self.prefix));
        self.offer([("URL", Value::Text(url.to_owned()))]);
        self.url = Some(url.to_owned());
    }

    /// To where a Secret says. Only the URL has to stand in it.
    fn lead_where(&mut self, secret: &str) {
        let keys = ["host", "port", "username", "password", "database", "url"];
        let key = |key: &str| {
            Value::Key(SecretKeySelector {
                name: secret.into(),
                key: key.into(),
                optional: (key != "url").then_some(true),
            })
        };
        for it in keys {
            self.offer([(it.to_ascii_uppercase().as_str(), key(it))]);
        }
    }

    fn offer<'a>(&mut self, variables: impl IntoIterator<Item = (&'a str, Value)>) {
        let named =
            variables.into_iter().map(|(name, value)| Variable { name: format!("{}_{name}", self.prefix), value });
        self.variables.extend(named);
    }
}

/// For the status, which everybody may read.
fn without_login(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.split(['/', '?']).next().unwrap_or(rest)),
        None => url.to_owned(),
    }
}

/// Host and port, which may follow from the scheme.
fn address(url: &str) -> Option<(String, Option<u16>)> {
    let uri: hyper::Uri = url.parse().ok()?;
    let authority = uri.authority().filter(|it| !it.as_str().contains('@'))?;
    let implied = match uri.scheme_str()? {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    Some((authority.host().to_owned(), authority.port_u16().or(implied)))
}
