{{- define "driftwall.name" -}}
{{- $name := .Values.nameOverride | default "driftwall" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" (.Release.Name | trunc 40 | trimSuffix "-") $name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "driftwall.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "driftwall.name" .) -}}
{{- end }}

{{- /* OpenShift refuses pods that ask for a user outside of their namespace's own. */ -}}
{{- define "driftwall.podSecurityContext" -}}
{{- $context := .Values.podSecurityContext -}}
{{- if .Capabilities.APIVersions.Has "security.openshift.io/v1" -}}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" -}}
{{- end -}}
{{- toYaml $context -}}
{{- end }}

{{- define "driftwall.selector" -}}
app.kubernetes.io/name: {{ include "driftwall.name" . }}
{{- end }}

{{- define "driftwall.labels" -}}
{{ include "driftwall.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "driftwall.rendererLabels" -}}
app.kubernetes.io/name: {{ include "driftwall.name" . }}-renderer
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The Secrets of the renderer and of its client. */ -}}
{{- define "driftwall.rendererSecret" -}}
{{- .Values.renderer.secretName | default (printf "%s-renderer" (include "driftwall.name" .)) -}}
{{- end }}
{{- define "driftwall.rendererClientSecret" -}}
{{- .Values.renderer.clientSecretName | default (printf "%s-renderer-client" (include "driftwall.name" .)) -}}
{{- end }}

{{- /* Not empty where driftwall itself creates both. */ -}}
{{- define "driftwall.rendererSelfManaged" -}}
{{- with .Values.renderer -}}
{{- if and .enabled (eq $.Values.tls.mode "selfManaged") (not .secretName) (not .clientSecretName) -}}true{{- end -}}
{{- end -}}
{{- end }}

{{- define "driftwall.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- /* Combinations of values that the schema cannot refuse, and that would silently leave drift unjudged. */ -}}
{{- define "driftwall.check" -}}
{{- $mode := .Values.tls.mode -}}
{{- if and (eq $mode "certManager") .Values.registration.manage -}}
{{- fail "tls.mode=certManager takes registration.manage=false: cert-manager sets the CA in the ValidatingWebhookConfiguration of this chart" -}}
{{- end -}}
{{- if and (eq $mode "selfManaged") (not .Values.registration.manage) .Values.webhook.enabled -}}
{{- fail "registration.manage=false takes tls.mode=certManager or secret, or webhook.enabled=false: driftwall's own CA changes, and this chart does not know it" -}}
{{- end -}}
{{- if and .Values.registration.manage (or .Values.webhook.path .Values.webhook.caBundle .Values.webhook.matchConditions .Values.webhook.extraRules .Values.webhook.rules .Values.webhook.annotations) -}}
{{- fail "webhook.path, caBundle, matchConditions, extraRules, rules and annotations take registration.manage=false: driftwall writes its webhook configuration itself" -}}
{{- end -}}
{{- $render := .Values.config.render | default dict -}}
{{- if and .Values.renderer.enabled $render.renderer -}}
{{- fail "renderer.enabled=true takes no config.render.renderer: this chart sets it" -}}
{{- end -}}
{{- if and .Values.renderer.enabled .Values.hostNetwork .Values.networkPolicy.enabled -}}
{{- fail "renderer.enabled=true with hostNetwork=true takes networkPolicy.enabled=false, and a policy of yours that lets the nodes in: a policy cannot name pods on the network of their node" -}}
{{- end -}}
{{- end }}

{{- /* `registration` under the names of today: values of before keep theirs. */ -}}
{{- define "driftwall.registration" -}}
{{- $registration := deepCopy .Values.registration -}}
{{- range $old, $new := dict "leaveOut" "excludeNamespaces" "restore" "selfHeal" -}}
{{- if hasKey $registration $old -}}
{{- $_ := set $registration $new (get $registration $old) -}}
{{- $_ := unset $registration $old -}}
{{- end -}}
{{- end -}}
{{- toYaml $registration -}}
{{- end }}

{{- /* driftwall.yaml: what this chart sets takes precedence over `config`. */ -}}
{{- define "driftwall.config" -}}
{{- $tls := dict "certFile" "/tls/tls.crt" "keyFile" "/tls/tls.key" -}}
{{- if eq .Values.tls.mode "selfManaged" -}}
{{- $tls = dict "selfManaged" true "caValidity" (.Values.tls.authorityLife | default .Values.tls.caValidity) "certificateValidity" (.Values.tls.certificateLife | default .Values.tls.certificateValidity) -}}
{{- end -}}
{{- if include "driftwall.rendererSelfManaged" . }}
{{- $_ := set $tls "renderer" (printf "%s-renderer.%s.svc" (include "driftwall.name" .) .Release.Namespace) -}}
{{- end -}}
{{- with .Values.tls.clientCaFile }}{{ $_ := set $tls "clientCaFile" . }}{{ end -}}
{{- $name := include "driftwall.name" . -}}
{{- $own := dict
  "mode" .Values.mode
  "presets" .Values.presets
  "sources" .Values.sources
  "listen" "0.0.0.0:8443"
  "admin" "0.0.0.0:8080"
  "tls" $tls
  "registration" (merge (dict "name" $name "service" $name) (include "driftwall.registration" . | fromYaml))
  "breakGlass" (dict "enabled" .Values.breakGlass.enabled "maxDuration" (.Values.breakGlass.longest | default .Values.breakGlass.maxDuration))
  "events" .Values.events
  "git" (dict "dataDir" "/data")
  "drain" (printf "%ds" (int .Values.drainSeconds))
-}}
{{- if .Values.webhook.path -}}
{{- $_ := set $own.registration "pathFile" "/path/path" -}}
{{- end -}}
{{- $discover := dict -}}
{{- with .Values.discover.argocd }}
{{- if .enabled -}}
{{- $argocd := dict "namespace" .namespace -}}
{{- with .kubeconfigFile }}{{ $_ := set $argocd "kubeconfigFile" . }}{{ end -}}
{{- with .clusterNames }}{{ $_ := set $argocd "clusterNames" . }}{{ end -}}
{{- $_ := set $discover "argocd" $argocd -}}
{{- end -}}
{{- end -}}
{{- if .Values.discover.flux.enabled }}{{ $_ := set $discover "flux" dict }}{{ end -}}
{{- if $discover }}{{ $_ := set $own "discover" $discover }}{{ end -}}
{{- if .Values.renderer.enabled -}}
{{- $renderer := dict "address" (printf "%s-renderer.%s.svc:8444" $name .Release.Namespace) "caFile" "/renderer/ca.crt" "certFile" "/renderer/tls.crt" "keyFile" "/renderer/tls.key" -}}
{{- $_ := set $own "render" (dict "renderer" $renderer) -}}
{{- end -}}
{{- merge $own (deepCopy .Values.config) | toYaml -}}
{{- end }}
