{{- define "tanso.image" -}}
{{- $root := index . 0 -}}
{{- printf "%s/%s:%s" $root.Values.image.repository (index . 1) (default $root.Chart.AppVersion $root.Values.image.tag) -}}
{{- end }}

{{/* Without the chart's version: a pod that runs need not end because the chart was packed anew. */}}
{{- define "tanso.podLabels" -}}
app.kubernetes.io/part-of: tanso
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tanso.labels" -}}
{{ include "tanso.podLabels" . }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "tanso.operatorLabels" -}}
app.kubernetes.io/name: tanso-operator
{{ include "tanso.labels" . }}
{{- end }}

{{/* A file of generated/, moved from the install's namespace into the release's, and labelled as the release's. */}}
{{- define "tanso.moved" -}}
{{- $root := index . 0 -}}
{{- $text := $root.Files.Get (index . 1) | replace "namespace: tanso-system" (printf "namespace: %s" $root.Release.Namespace) -}}
{{- /* The commands in its comments too. */ -}}
{{- $text = $text | replace "serviceaccount=tanso-system:" (printf "serviceaccount=%s:" $root.Release.Namespace) -}}
{{- $text | replace "    app.kubernetes.io/part-of: tanso" (include "tanso.labels" $root | indent 4) -}}
{{- end }}

{{/* Labels that somebody adds to the chart's own, which they cannot change. */}}
{{- define "tanso.addedLabels" -}}
{{- $place := index . 0 -}}
{{- with index . 1 -}}
{{- range $name, $_ := . -}}
{{- if or (hasPrefix "app.kubernetes.io/" $name) (hasPrefix "helm.sh/" $name) -}}
{{- fail (printf "%s: the label %q is the chart's own; accepted are others than app.kubernetes.io/ and helm.sh/" $place $name) -}}
{{- end -}}
{{- end -}}
{{- toYaml . -}}
{{- end -}}
{{- end }}

{{/* Where the chart's pods may run: a Job that no node takes would hold up an upgrade. */}}
{{- define "tanso.placement" -}}
{{- with .Values.operator.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.operator.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
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

{{/* A PowerMonitor's spec, of the release's or of one's own: who scrapes, what and who may connect as the chart's own values say, unless it says so itself. */}}
{{- define "tanso.monitorSpec" -}}
{{- $root := index . 0 }}
{{- $spec := dict }}
{{- with $root.Values.monitoring.prometheusRule }}
{{- if and .enabled .keplerLegacy }}
{{- $_ := set $spec "agent" (dict "metrics" (dict "legacyNames" "Beside")) }}
{{- end }}
{{- end }}
{{- with $root.Values.monitoring.serviceMonitor }}
{{- if .enabled }}
{{- $scrape := dict "type" "Enabled" "interval" .interval }}
{{- with .labels }}{{ $_ := set $scrape "labels" . }}{{ end }}
{{- $_ := set $spec "serviceMonitor" $scrape }}
{{- end }}
{{- end }}
{{- with $root.Values.networkPolicy }}
{{- if .enabled }}
{{- $closed := dict "type" "Enabled" }}
{{- with .metricsFrom }}{{ $_ := set $closed "metricsFrom" . }}{{ end }}
{{- /* What the kind does by itself is not said again. */ -}}
{{- $dns := list }}{{ range .dnsPorts }}{{ $dns = append $dns (int .) }}{{ end }}
{{- if ne (toJson $dns) "[53]" }}{{ $_ := set $closed "dnsPorts" $dns }}{{ end }}
{{- $api := uniq (list 443 (int .apiServerPort)) }}
{{- if ne (toJson $api) "[443,6443]" }}{{ $_ := set $closed "apiServerPorts" $api }}{{ end }}
{{- with .apiServerCidr }}{{ $_ := set $closed "apiServerCidr" . }}{{ end }}
{{- $_ := set $spec "networkPolicy" $closed }}
{{- end }}
{{- end }}
{{- /* Copies: the merge would write into the chart's own values, and so into the operator's objects. */ -}}
{{- $spec = mergeOverwrite (deepCopy $spec) (deepCopy (index . 1)) }}
{{- if and $root.Values.networkPolicy.enabled (ne ($spec.networkPolicy).type "Enabled") -}}
{{- fail (printf "powerMonitor.spec.networkPolicy.type: %q while networkPolicy.enabled closes every pod of tanso; accepted is \"Enabled\", without which nobody reaches an agent" (toString ($spec.networkPolicy).type)) -}}
{{- end -}}
{{- toYaml $spec }}
{{- end }}
