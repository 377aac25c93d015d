{{/* Prefix of all names. */}}
{{- define "helios.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Prefix of names at cluster level: releases of one name in two namespaces, each with its own to watch, must not meet. */}}
{{- define "helios.clustername" -}}
{{- if .Values.watchNamespace -}}
{{- printf "%s-%s" (include "helios.fullname" .) .Values.watchNamespace -}}
{{- else -}}
{{- include "helios.fullname" . -}}
{{- end -}}
{{- end -}}

{{/* Labels of an object: (list . "component"). */}}
{{- define "helios.labels" -}}
{{- $ := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
app.kubernetes.io/part-of: helios
{{ include "helios.selector" . }}
{{- end -}}

{{/* Labels by which pods are found: (list . "component"). */}}
{{- define "helios.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: helios
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* An image: (list . values-of-image default-tag). */}}
{{- define "helios.imageOf" -}}
{{- $image := index . 0 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default (index . 1) $image.tag }}
{{- end -}}
{{- end -}}

{{- define "helios.image" -}}
{{- include "helios.imageOf" (list .Values.image .Chart.AppVersion) -}}
{{- end -}}

{{/* What the restricted Pod Security Standard asks of a pod. */}}
{{- define "helios.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* The same of a container. */}}
{{- define "helios.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where pods may run: the values of one part. */}}
{{- define "helios.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "helios.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* NATS as pods of any namespace reach it. */}}
{{- define "helios.natsUrl" -}}
{{- if .Values.nats.enabled -}}
nats://{{ include "helios.fullname" . }}-nats.{{ .Release.Namespace }}.svc:4222
{{- else -}}
{{ .Values.nats.url }}
{{- end -}}
{{- end -}}

{{/* Ports of the servers of nats.url, as a network policy lists them: whichever is lost, the next is asked. */}}
{{- define "helios.natsPorts" -}}
{{- $ports := list -}}
{{- range include "helios.natsUrl" . | splitList "," -}}
{{- $host := splitList "://" . | last | splitList "/" | first -}}
{{- $ports = append $ports (regexFind ":[0-9]+$" $host | trimPrefix ":" | default "4222") -}}
{{- end -}}
{{- range uniq $ports }}
- {protocol: TCP, port: {{ . }}}
{{- end -}}
{{- end -}}

{{- define "helios.natsKeys" -}}
{{- default (printf "%s-nats-keys" (include "helios.fullname" .)) .Values.natsAuth.keys.secretName -}}
{{- end -}}

{{- define "helios.priorityClass" -}}
{{- $p := .Values.traders.priorityClass -}}
{{- if $p.create -}}{{ default (printf "%s-trading" (include "helios.clustername" .)) $p.name }}{{- else -}}{{ $p.name }}{{- end -}}
{{- end -}}

{{/* What can't fit together, in words. */}}
{{- define "helios.check" -}}
{{- if and (not .Values.nats.enabled) (not .Values.nats.url) -}}
{{- fail "nats.enabled is false: say where your NATS is, nats.url=nats://HOST:4222" -}}
{{- end -}}
{{- if and .Values.nats.enabled .Values.nats.url -}}
{{- fail "nats.url is for your own NATS: with it set nats.enabled=false" -}}
{{- end -}}
{{- if and .Values.nats.enabled (not .Values.natsAuth.enabled) -}}
{{- fail "the NATS of this chart lets nobody in without its callout: set natsAuth.enabled=true" -}}
{{- end -}}
{{- if and (not .Values.natsAuth.keys.create) (not .Values.natsAuth.keys.secretName) .Values.natsAuth.enabled -}}
{{- fail "natsAuth.keys.create is false: name the Secret that holds the keys, natsAuth.keys.secretName" -}}
{{- end -}}
{{- if and .Values.natsAuth.natsAccount .Values.natsAuth.accounts -}}
{{- fail "natsAuth.accounts lists accounts that have a NATS account each: with it set natsAuth.natsAccount=\"\"" -}}
{{- end -}}
{{- if and .Values.nats.enabled (not .Values.natsAuth.natsAccount) (not .Values.natsAuth.accounts) -}}
{{- fail "natsAuth.natsAccount is empty: list the accounts of Helios that may come, natsAuth.accounts={namespace/name}" -}}
{{- end -}}
{{- end -}}

{{/* Spec of a job's pod up to its arguments: (list . "container" "service-account"; empty for none and no token). */}}
{{- define "helios.jobSpec" -}}
{{- $ := index . 0 -}}
{{- $account := index . 2 -}}
restartPolicy: Never
{{- with $account }}
serviceAccountName: {{ . }}
{{- end }}
automountServiceAccountToken: {{ not (empty $account) }}
enableServiceLinks: false
securityContext: {{- include "helios.podSecurity" $ | nindent 2 }}
{{- include "helios.pullSecrets" $ }}
containers:
- name: {{ index . 1 }}
  image: {{ include "helios.image" $ }}
  imagePullPolicy: {{ $.Values.image.pullPolicy }}
  resources:
    requests: {cpu: 10m, memory: 16Mi}
    limits: {memory: 128Mi}
  securityContext: {{- include "helios.containerSecurity" $ | nindent 4 }}
{{- end -}}

{{/* Rules of network policies. */}}
{{- define "helios.toDns" -}}
- ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
{{- end -}}

{{- define "helios.toApiServer" -}}
- ports:
  {{- range .Values.networkPolicies.apiServerPorts }}
  - {protocol: TCP, port: {{ . }}}
  {{- end }}
  {{- with .Values.networkPolicies.apiServerCidrs }}
  to:
  {{- range . }}
  - ipBlock: {cidr: {{ . | quote }}}
  {{- end }}
  {{- end }}
{{- end -}}

{{- define "helios.toNats" -}}
- ports: {{- include "helios.natsPorts" . | nindent 2 }}
  {{- if .Values.nats.enabled }}
  to:
  - podSelector:
      matchLabels: {{- include "helios.selector" (list . "nats") | nindent 8 }}
  {{- else if .Values.nats.podLabels }}
  to:
  - namespaceSelector: {}
    podSelector:
      matchLabels: {{- toYaml .Values.nats.podLabels | nindent 8 }}
  {{- end }}
{{- end -}}
