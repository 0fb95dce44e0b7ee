//! The identity of the server's pods: its own, without a right and without a mounted token, unless
//! the spec names an existing one.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::metadata;
use crate::children::Child;
use crate::validate::{Identity, ValidatedServer};

impl Child for ServiceAccount {
    fn build(server: &ValidatedServer) -> Vec<Self> {
        match server.identity {
            Identity::Existing(_) => Vec::new(),
            Identity::Own => vec![Self {
                metadata: metadata(server),
                automount_service_account_token: Some(false),
                ..Self::default()
            }],
        }
    }
}
