{{- /* The rules of writes.driftwall.io, as JSON. */ -}}
{{- define "driftwall.rules" -}}
{{- $rules := .Values.webhook.rules -}}
{{- if not $rules -}}{{- $rules = .Files.Get "files/rules.yaml" | fromYamlArray -}}{{- end -}}
{{- concat $rules .Values.webhook.extraRules | toJson -}}
{{- end }}

{{- /* What those rules send, as JSON: `writes` (OPERATION group/resource); of the UPDATEs,
`resources` (group/resource) and the `groups` of which all resources are sent. */ -}}
{{- define "driftwall.sent" -}}
{{- $writes := list -}}{{- $resources := list -}}{{- $groups := list -}}
{{- range $rule := include "driftwall.rules" . | fromJsonArray -}}
{{- range $group := $rule.apiGroups -}}{{- range $operation := $rule.operations -}}{{- range $resource := $rule.resources -}}
{{- $writes = append $writes (printf "%s %s/%s" $operation $group $resource) -}}
{{- if eq $operation "UPDATE" -}}
{{- if eq $resource "*" -}}{{- $groups = append $groups $group -}}
{{- else -}}{{- $resources = append $resources (printf "%s/%s" $group $resource) -}}{{- end -}}
{{- end -}}
{{- end -}}{{- end -}}{{- end -}}
{{- end -}}
{{- dict "writes" ($writes | uniq | sortAlpha) "resources" ($resources | uniq | sortAlpha) "groups" ($groups | uniq | sortAlpha) | toJson -}}
{{- end }}

{{- /* driftwall's own namespace, and those that are excluded beside it, as JSON. */ -}}
{{- define "driftwall.excluded" -}}
{{- concat (list .Release.Namespace) (include "driftwall.registration" . | fromYaml).excludeNamespaces | uniq | toJson -}}
{{- end }}

{{- /* Where each webhook is reached, and what is the same in all of them. */ -}}
{{- define "driftwall.webhook" -}}
admissionReviewVersions: [v1]
sideEffects: None
timeoutSeconds: {{ .Values.registration.timeoutSeconds }}
matchPolicy: Equivalent
clientConfig:
  {{- with .Values.webhook.caBundle }}
  caBundle: {{ . }}
  {{- end }}
  service:
    namespace: {{ .Release.Namespace }}
    name: {{ include "driftwall.name" . }}
    path: {{ .Values.webhook.path | default "/validate" }}
    port: 443
{{- end }}

{{- define "driftwall.namespaces" -}}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: {{ . }}
{{- end }}

{{- /* The match conditions of each webhook that leaves writers out. */ -}}
{{- define "driftwall.conditions" -}}
{{- tpl (.Files.Get "files/conditions.yaml") . }}
{{- with .Values.webhook.matchConditions }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "driftwall.serviceAccount" -}}
has(request.userInfo.username) && request.userInfo.username.startsWith("system:serviceaccount:") && has(request.userInfo.groups) && "system:serviceaccounts" in request.userInfo.groups
{{- end }}

{{- define "driftwall.notAServiceAccount" -}}
- name: is-not-a-service-account
  expression: >-
    !({{ include "driftwall.serviceAccount" . }})
{{- end }}

{{- /* The write is not sent to writes.driftwall.io or undeclared.driftwall.io too: it would be counted and logged twice. */ -}}
{{- define "driftwall.notSentAlready" -}}
{{- $of := `request.operation + " " + request.resource.group + "/"` -}}
{{- $subresource := `(has(request.subResource) && request.subResource != "" ? "/" + request.subResource : "")` -}}
{{- $writes := concat (include "driftwall.sent" .root | fromJson).writes .more | uniq | sortAlpha | toJson -}}
- name: is-not-sent-already
  expression: >-
    !(!(has(request.namespace) && request.namespace in {{ include "driftwall.excluded" .root }}) && (request.operation == "UPDATE" && !({{ include "driftwall.serviceAccount" .root }}) || {{ $of }} + request.resource.resource + {{ $subresource }} in {{ $writes }} || {{ $of }} + "*" + {{ $subresource }} in {{ $writes }}))
{{- end }}
