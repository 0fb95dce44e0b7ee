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
  resources: [networkpolicies, ingresses]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
# Kubernetes lets nobody give rights that they do not have: what servers ask for in
# serviceAccount.rules and bind has to be granted to the operator, too.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch, delete]
{{- if .Values.rbac.createSecrets }}
# Generated passwords: made once, and from then on neither read nor changed.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
{{- end }}
# Why a server does not come up.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/*
Only with allowClusterRules. Without `escalate` and `bind`, Kubernetes still keeps the operator from granting what it
may not do itself.
*/}}
{{- define "landfall.rules.clusterRules" -}}
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles, clusterrolebindings]
  verbs: [get, list, watch, create, patch, delete]
# The finalizer of servers that have any of these.
- apiGroups: [landfall.dev]
  resources: [mcpservers]
  verbs: [patch]
{{- end }}

{{/* What servers may be given beyond what the operator may do. */}}
{{- define "landfall.rules.grantable" -}}
{{- with .Values.rbac.grantable.rules }}
{{- toYaml . }}
{{ end }}
{{- with .Values.rbac.grantable.clusterRoles -}}
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles]
  resourceNames:
    {{- toYaml . | nindent 4 }}
  verbs: [bind]
{{- end }}
{{- end }}

{{/* Only with watchSecrets: listing Secrets is reading them. */}}
{{- define "landfall.rules.watchSecrets" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [list, watch]
{{- end }}

{{/* Only with watchClasses: what servers with `expose` refer to is the whole cluster's. */}}
{{- define "landfall.rules.watchClasses" -}}
- apiGroups: [networking.k8s.io]
  resources: [ingressclasses]
  verbs: [list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways, gatewayclasses]
  verbs: [list, watch]
{{- end }}

{{/* Only with rbac.readSecrets: for verification.headers. */}}
{{- define "landfall.rules.readSecrets" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
{{- end }}

{{/* Only with verification.route api-server. */}}
{{- define "landfall.rules.verifyThroughApiServer" -}}
- apiGroups: [""]
  resources: [services/proxy]
  verbs: [get, create, delete]
{{- end }}
