{{/* What all names begin with: the release's name, once. */}}
{{- define "landfall.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $both := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $both .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* Name of the operator and of its rights. */}}
{{- define "landfall.operator" -}}
{{ include "landfall.fullname" . }}-operator
{{- end }}

{{- define "landfall.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "landfall.operator" .) .Values.serviceAccount.name }}
{{- else -}}
{{ required "serviceAccount.name: name an existing ServiceAccount, or let serviceAccount.create be true" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{/* A Deployment's selector can never change, so neither may this. */}}
{{- define "landfall.selector" -}}
app.kubernetes.io/name: landfall
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{/* Labels of every object. The chart's own win, so that nobody selects anything by accident. */}}
{{- define "landfall.labels" -}}
{{- $own := include "landfall.selector" . | fromYaml -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- merge $own .Values.labels | toYaml -}}
{{- end }}

{{- define "landfall.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end -}}
{{- end }}

{{/* Whom roles are bound to. */}}
{{- define "landfall.subjects" -}}
- kind: ServiceAccount
  name: {{ include "landfall.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* Not empty where classes and gateways are watched: unless said otherwise, where all namespaces are served. */}}
{{- define "landfall.watchClasses" -}}
{{- if ternary (empty .Values.namespaces) .Values.watchClasses (kindIs "invalid" .Values.watchClasses) }}true{{ end }}
{{- end }}
