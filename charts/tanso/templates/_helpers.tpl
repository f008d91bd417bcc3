{{- define "tanso.image" -}}
{{- $root := index . 0 -}}
{{- printf "%s/%s:%s" $root.Values.image.repository (index . 1) (default $root.Chart.AppVersion $root.Values.image.tag) -}}
{{- end }}

{{- define "tanso.labels" -}}
app.kubernetes.io/part-of: tanso
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "tanso.operatorLabels" -}}
app.kubernetes.io/name: tanso-operator
{{ include "tanso.labels" . }}
{{- end }}

{{/* A file of generated/, moved from the install's namespace into the release's. */}}
{{- define "tanso.moved" -}}
{{- $root := index . 0 -}}
{{- $root.Files.Get (index . 1) | replace "namespace: tanso-system" (printf "namespace: %s" $root.Release.Namespace) -}}
{{- end }}

{{- define "tanso.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "tanso.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The PowerMonitor's spec: who scrapes and who may connect as the chart's own values say, unless it says so itself. */}}
{{- define "tanso.monitorSpec" -}}
{{- $spec := dict }}
{{- with .Values.monitoring.serviceMonitor }}
{{- if .enabled }}
{{- $scrape := dict "type" "Enabled" "interval" .interval }}
{{- with .labels }}{{ $_ := set $scrape "labels" . }}{{ end }}
{{- $_ := set $spec "serviceMonitor" $scrape }}
{{- end }}
{{- end }}
{{- with .Values.networkPolicy }}
{{- if .enabled }}
{{- $closed := dict "type" "Enabled" }}
{{- with .metricsFrom }}{{ $_ := set $closed "metricsFrom" . }}{{ end }}
{{- $_ := set $spec "networkPolicy" $closed }}
{{- end }}
{{- end }}
{{- toYaml (mergeOverwrite $spec (deepCopy .Values.powerMonitor.spec)) }}
{{- end }}
