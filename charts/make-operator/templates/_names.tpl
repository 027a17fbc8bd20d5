{{- /* The objects have fixed names: an operator is once in a cluster, and its own permissions name them. */}}
{{- define "make-operator.labels" -}}
{{ include "make-operator.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "make-operator.selector" -}}
app.kubernetes.io/name: make-operator
{{- end }}

{{- /* Never change: a Deployment's selector is immutable. */}}
{{- define "make-operator.podSelector" -}}
{{ include "make-operator.selector" . }}
app.kubernetes.io/component: manager
{{- end }}

{{- /* An image, from a list of its values and the chart's version. */}}
{{- define "make-operator.image" -}}
{{- $image := index . 0 }}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (index . 1) }}
{{- end }}
{{- end }}

{{- /* The ConfigMap with certificates, and its key; empty if there is none. */}}
{{- define "make-operator.caConfigMap" -}}
{{- if and .Values.make.extraCA .Values.make.caConfigMap.name }}
{{- fail "set make.extraCA or make.caConfigMap.name, not both" }}
{{- end }}
{{- if .Values.make.extraCA }}make-operator-ca{{ else }}{{ .Values.make.caConfigMap.name }}{{ end }}
{{- end }}

{{- define "make-operator.caKey" -}}
{{- if .Values.make.extraCA }}ca.pem{{ else }}{{ .Values.make.caConfigMap.key }}{{ end }}
{{- end }}

{{- /* Generated objects, from a list of the context and YAML documents: with the chart's labels, in the release's namespace. */}}
{{- define "make-operator.generated" -}}
{{- $context := index . 0 }}
{{- range splitList "\n---\n" (index . 1) }}
{{- $object := fromYaml . }}
{{- $_ := set $object.metadata "labels" (include "make-operator.labels" $context | fromYaml) }}
{{- if $object.metadata.namespace }}
{{- $_ := set $object.metadata "namespace" $context.Release.Namespace }}
{{- end }}
---
{{ toYaml $object }}
{{ end }}
{{- end }}
