//! What controllers of Ingresses need to be told, as data: so that an answer may come as a stream that
//! stays open, and so that a client comes back to the pod that it was at.
//!
//! Servers send something at least every 15 seconds while a stream is open, so limits on silence of an
//! hour are out of the way; what hurts are limits on a whole answer, and buffers.

/// A controller of Ingresses, known by what its `IngressClass` says.
pub struct IngressController {
    /// Beginning of `IngressClass.spec.controller`.
    id: &'static str,
    /// Annotations with which streams work.
    pub streaming: &'static [(&'static str, &'static str)],
    /// Annotations with which calls from one address go to one pod.
    pub sticky: &'static [(&'static str, &'static str)],
}

const CONTROLLERS: &[IngressController] = &[
    IngressController {
        id: "k8s.io/ingress-nginx",
        streaming: &[
            ("nginx.ingress.kubernetes.io/proxy-buffering", "off"),
            ("nginx.ingress.kubernetes.io/proxy-read-timeout", "3600"),
            ("nginx.ingress.kubernetes.io/proxy-send-timeout", "3600"),
        ],
        sticky: &[("nginx.ingress.kubernetes.io/upstream-hash-by", "$remote_addr")],
    },
    IngressController {
        id: "nginx.org/ingress-controller",
        streaming: &[
            ("nginx.org/proxy-buffering", "False"),
            ("nginx.org/proxy-read-timeout", "1h"),
            ("nginx.org/proxy-send-timeout", "1h"),
        ],
        sticky: &[("nginx.org/lb-method", "ip_hash")],
    },
    // Neither buffers nor limits an answer.
    IngressController { id: "traefik.io/ingress-controller", streaming: &[], sticky: &[] },
    IngressController {
        id: "haproxy.org/ingress-controller",
        streaming: &[("haproxy.org/timeout-server", "1h")],
        sticky: &[("haproxy.org/load-balance", "source")],
    },
    IngressController {
        id: "haproxy-ingress.github.io/controller",
        streaming: &[("haproxy-ingress.github.io/timeout-server", "1h")],
        sticky: &[("haproxy-ingress.github.io/balance-algorithm", "source")],
    },
    IngressController {
        id: "projectcontour.io/",
        streaming: &[("projectcontour.io/response-timeout", "infinity")],
        sticky: &[],
    },
    IngressController {
        id: "ingress.k8s.aws/alb",
        streaming: &[("alb.ingress.kubernetes.io/load-balancer-attributes", "idle_timeout.timeout_seconds=3600")],
        sticky: &[],
    },
    IngressController {
        id: "azure/application-gateway",
        streaming: &[("appgw.ingress.kubernetes.io/request-timeout", "3600")],
        sticky: &[],
    },
];

/// The controller that calls itself so, if it is known here.
pub fn controller(id: &str) -> Option<&'static IngressController> {
    CONTROLLERS.iter().find(|it| id.starts_with(it.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/exposing.md");

    #[test]
    fn every_annotation_is_documented() {
        for it in CONTROLLERS {
            assert!(DOCUMENT.contains(&format!("`{}", it.id)), "docs/exposing.md does not name {}", it.id);
            for (key, value) in it.streaming.iter().chain(it.sticky) {
                assert!(DOCUMENT.contains(&format!("`{key}: {value}`")), "docs/exposing.md lacks {key}: {value}");
            }
        }
    }

    #[test]
    fn a_controller_may_add_to_its_name() {
        assert!(controller("haproxy.org/ingress-controller/internal").is_some());
        assert!(controller("projectcontour.io/ingress-controller").is_some());
        assert!(controller("example.com/own").is_none());
    }
}
