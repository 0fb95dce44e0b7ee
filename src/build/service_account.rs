//! The identity of the server's pods: its own, without a right and without a mounted token, unless
//! the spec names an existing one.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::{filled, metadata};
use crate::children::Child;
use crate::validate::{Identity, ValidatedServer};

impl Child for ServiceAccount {
    fn build(server: &ValidatedServer) -> Vec<Self> {
        match server.pod.identity {
            Identity::Existing(_) | Identity::Nobody => Vec::new(),
            Identity::Own => {
                let mut metadata = metadata(server);
                metadata.annotations = filled(server.rights.annotations.clone());
                vec![Self { metadata, automount_service_account_token: Some(false), ..Self::default() }]
            }
        }
    }
}
