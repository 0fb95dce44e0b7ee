//! Schemas that the derive cannot express.

use schemars::{Schema, SchemaGenerator, json_schema};

/// CEL: a path at which something can be mounted.
pub const IS_MOUNT_PATH: &str = "self.startsWith('/') && self.size() > 1 && !self.contains(':') && !self.contains('/../') && !self.endsWith('/..') && !self.endsWith('/')";

/// A list of objects as of [`raw_object`].
pub fn raw_objects(generator: &mut SchemaGenerator) -> Schema {
    let items = raw_object(generator);
    json_schema!({"type": "array", "maxItems": 64, "items": items})
}

/// An object whose fields the API server keeps but does not check: for types so large that their
/// schema would push the CRD over the size that a plain `kubectl apply` can take. What is in them
/// is decoded strictly in [`crate::validate`].
pub fn raw_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
    })
}
