{{- define "poolwatch.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "poolwatch.fullname" -}}
{{- $name := include "poolwatch.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "poolwatch.selector" -}}
app.kubernetes.io/name: {{ include "poolwatch.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "poolwatch.labels" -}}
{{ include "poolwatch.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "poolwatch.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "poolwatch.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "poolwatch.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "poolwatch.scheme" -}}
{{- if .Values.tls.secretName }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{- /* The agent's file. Strings, numbers, booleans and lists of them look the same in JSON and in TOML. */}}
{{- define "poolwatch.toml" -}}
{{- $warn := dig "warn_utilization" 0.8 .Values.config }}
{{- $critical := dig "critical_utilization" 0.95 .Values.config }}
{{- if ge (float64 $warn) (float64 $critical) }}
{{- fail (printf "config.warn_utilization (%v) must be below config.critical_utilization (%v)" $warn $critical) }}
{{- end }}
{{- range $key, $value := omit .Values.config "server" }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- range .Values.config.server }}

[[server]]
{{- range $key, $value := . }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}

{{- /* How a Prometheus of the operator asks one agent. */}}
{{- define "poolwatch.endpoint" -}}
port: metrics
path: /metrics
interval: {{ .Values.monitor.interval }}
scheme: {{ include "poolwatch.scheme" . | lower }}
{{- with .Values.monitor.tlsConfig }}
tlsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.auth.tokenSecret.name }}
authorization:
  type: Bearer
  credentials:
    name: {{ .Values.auth.tokenSecret.name }}
    key: {{ .Values.auth.tokenSecret.key }}
{{- end }}
relabelings:
  - targetLabel: job
    replacement: poolwatch
  - sourceLabels: [__meta_kubernetes_pod_node_name]
    targetLabel: instance
  # The agent's own pod, and not the one whose pool it is.
  - action: labeldrop
    regex: pod|container|endpoint
{{- end }}
