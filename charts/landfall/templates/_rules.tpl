{{/*
What the operator needs, and nothing else: the same as config/rbac/, by a test. In a ClusterRole, or in a Role in each
of the namespaces served.
*/}}
{{- define "landfall.rules" -}}
# The resources that users write. The operator reports on them and never changes their spec.
- apiGroups: [landfall.dev]
  resources: [mcpservers]
  verbs: [get, list, watch]
- apiGroups: [landfall.dev]
  resources: [mcpservers/status]
  verbs: [patch]
# OpenShift asks for this of whoever sets blockOwnerDeletion.
- apiGroups: [landfall.dev]
  resources: [mcpservers/finalizers]
  verbs: [update]
# What servers are made of; ConfigMaps are also what they refer to. Creating by server-side apply takes both create and patch.
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services, serviceaccounts, configmaps, persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# Kubernetes lets nobody give rights that they do not have: what servers ask for in
# serviceAccount.rules and bind has to be granted to the operator, too.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch, delete]
# Generated passwords: made once, and from then on neither read nor changed.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
# Why a server does not come up.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* Only with watchSecrets: listing Secrets is reading them. */}}
{{- define "landfall.rules.watchSecrets" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [list, watch]
{{- end }}
