//! Schemas that the derive cannot express.

use schemars::{Schema, SchemaGenerator, json_schema};

/// CEL: a path at which something can be mounted.
pub const IS_MOUNT_PATH: &str = "self.startsWith('/') && self.size() > 1 && !self.contains(':') && !self.contains('/../') && !self.endsWith('/..') && !self.endsWith('/')";

/// What [`IS_MOUNT_PATH`] wants of storage.
pub const IS_STORAGE_PATH_MESSAGE: &str = "storage.mountPath must be an absolute directory other than '/', without ':' or '..' and without a trailing '/', such as /data";

/// CEL: the name of a `StorageClass`.
pub const IS_STORAGE_CLASS: &str = "self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')";

/// What [`IS_STORAGE_CLASS`] wants.
pub const IS_STORAGE_CLASS_MESSAGE: &str =
    "storage.storageClassName must be the name of a StorageClass: lower-case letters, digits, '-' and '.'";

/// CEL: a duration as the Gateway API writes it (GEP-2257).
pub const IS_GATEWAY_DURATION: &str = "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$')";

/// What [`IS_GATEWAY_DURATION`] wants.
pub const IS_GATEWAY_DURATION_MESSAGE: &str =
    "a time-out must be a duration of the Gateway API such as 1h, 30s or 500ms; 0s stands for without limit";

/// CEL: an image reference.
pub const IS_IMAGE: &str = r"self.matches('^([a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[a-z0-9]+:[0-9a-fA-F]{32,128})?$')";

/// What [`IS_IMAGE`] wants.
pub const IS_IMAGE_MESSAGE: &str = "image must be an image reference such as ghcr.io/org/server:1.2.3 or ghcr.io/org/server@sha256:<digest>, with no scheme and no spaces";

/// For the values of optional fields: kube puts a type's description in the place of the field's, which says more.
pub fn explained_by_its_field(schema: &mut Schema) {
    schema.remove("description");
}

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

/// A set of path prefixes.
pub fn path_prefixes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "items": {
            "type": "string",
            "maxLength": 1024,
            "x-kubernetes-validations": [{
                "rule": "self.startsWith('/') && self.matches('^[!-~]*$') && !self.matches('[?#]')",
                "message": "a path of expose.paths must start with '/' and hold neither spaces nor '?' or '#', such as /mcp",
            }],
        },
    })
}
