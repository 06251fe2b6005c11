{{- define "driftwall.name" -}}
{{- if contains "driftwall" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-driftwall" (.Release.Name | trunc 40 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "driftwall.selector" -}}
app.kubernetes.io/name: {{ include "driftwall.name" . }}
{{- end }}

{{- define "driftwall.labels" -}}
{{ include "driftwall.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "driftwall.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- /* driftwall.yaml: what this chart decides, and under it what `config` says. */ -}}
{{- define "driftwall.config" -}}
{{- $tls := dict "certFile" "/tls/tls.crt" "keyFile" "/tls/tls.key" -}}
{{- with .Values.tls.clientCaFile }}{{ $_ := set $tls "clientCaFile" . }}{{ end -}}
{{- $own := dict
  "mode" .Values.mode
  "presets" .Values.presets
  "sources" .Values.sources
  "listen" "0.0.0.0:8443"
  "admin" "0.0.0.0:8080"
  "tls" $tls
  "git" (dict "data" "/data")
  "drain" (printf "%ds" (int .Values.drainSeconds))
-}}
{{- merge $own (deepCopy .Values.config) | toYaml -}}
{{- end }}
