{{/* injector.yaml. The settings of the values are weaker than what the chart itself decides. */}}
{{- define "tabard.injectorConfig" -}}
{{- $config := deepCopy .Values.injector.config -}}
{{- $sidecar := merge (default dict $config.sidecar) (dict "image" .Values.image) -}}
{{- $former := merge (default dict $sidecar.former_images) (include "tabard.formerImages" . | fromJson) -}}
{{- $_ := set $sidecar "former_images" (omit $former $sidecar.image) -}}
{{- if not $sidecar.former_images }}{{ $_ := unset $sidecar "former_images" }}{{ end -}}
{{- $exempt := concat (list "kube-system" "kube-public" "kube-node-lease") (default list $config.exempt_namespaces) (list .Release.Namespace) | uniq -}}
{{- $managed := dict "secret" "tabard-injector-certificates" "names" (list (printf "tabard-injector.%s.svc" .Release.Namespace)) "webhook_configuration" "tabard-injector" "overlap_seconds" .Values.injector.overlapSeconds -}}
{{- $own := dict "webhook" (dict "listen" "0.0.0.0:8443" "managed" $managed) "http" (dict "listen" "0.0.0.0:9181") "sidecar" $sidecar "exempt_namespaces" $exempt -}}
{{- if .Values.control.enabled -}}
{{- $audience := dig "cluster" "audience" "tabard-control" .Values.control.config -}}
{{- if ne $audience (dig "control" "audience" $audience $config) -}}
{{- fail "injector.config.control.audience isn't control.config.cluster.audience, so no sidecar would get keys" -}}
{{- end -}}
{{- $_ := set $own "control" (merge (default dict $config.control) (dict "url" (printf "https://tabard-control.%s.svc" .Release.Namespace) "audience" $audience)) -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled .Values.networkPolicy.labelledNamespaces -}}
{{- $_ := set $own "network" (dict "egress" (include "tabard.agentEgress" . | fromYamlArray) "owner" "tabard-injector-network") -}}
{{- end -}}
{{- toYaml (mergeOverwrite $config $own) -}}
{{- end -}}

{{/*
The image of the policies that an upgrade replaces, and a time: until then former injectors may answer, and what they put in is
accepted. Without a cluster, as for `helm template`, there is none. It is computed once, so that every part has the same time.
*/}}
{{- define "tabard.formerImages" -}}
{{- if not (hasKey .Values "formerImages") -}}
{{- $layout := "2006-01-02T15:04:05Z" -}}
{{- $now := dateInZone $layout now "UTC" -}}
{{- $seconds := printf "+%ds" (int .Values.admissionPolicies.formerImageSeconds) -}}
{{- $until := dateInZone $layout (now | dateModify $seconds) "UTC" -}}
{{- $safe := "^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$" -}}
{{- $found := dict -}}
{{- $policy := lookup "admissionregistration.k8s.io/v1" "ValidatingAdmissionPolicy" "" "tabard-pods" -}}
{{- range dig "spec" "variables" list (default dict $policy) -}}
{{- if eq .name "former" -}}
{{- range $image, $end := fromJson .expression -}}
{{- if and (regexMatch $safe $image) (regexMatch "^[0-9TZ:-]{20}$" (toString $end)) (gt (toString $end) $now) }}{{ $_ := set $found $image $end }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range dig "spec" "variables" list (default dict $policy) -}}
{{- $image := trimAll "\"" .expression -}}
{{- if and (eq .name "image") (regexMatch $safe $image) (gt $until $now) }}{{ $_ := set $found $image $until }}{{ end -}}
{{- end -}}
{{- $_ := set .Values "formerImages" $found -}}
{{- end -}}
{{- toJson .Values.formerImages -}}
{{- end -}}

{{/* control.yaml */}}
{{- define "tabard.controlConfig" -}}
{{- $server := dict "listen" "0.0.0.0:8444" -}}
{{- if .Values.control.tlsSecret -}}
{{- $_ := merge $server (dict "tls_certificate_file" "/etc/tabard/tls/tls.crt" "tls_key_file" "/etc/tabard/tls/tls.key") -}}
{{- else -}}
{{- $names := concat (list (printf "tabard-control.%s.svc" .Release.Namespace)) .Values.control.names -}}
{{- $_ := set $server "managed" (dict "secret" "tabard-control-certificates" "names" $names "config_map" (include "tabard.controlCa" .) "owner" "tabard-control" "overlap_seconds" .Values.control.overlapSeconds) -}}
{{- end -}}
{{- $own := dict "server" $server "http" (dict "listen" "0.0.0.0:9181") "master" (dict "directory" "/etc/tabard/masters") -}}
{{- $config := deepCopy .Values.control.config -}}
{{- if kindIs "map" (get $config "operators") -}}
{{- $_ := set $own "operators" (dict "listen" "0.0.0.0:8445") -}}
{{- end -}}
{{- toYaml (mergeOverwrite $config $own) -}}
{{- end -}}

{{/* ConfigMap with the control service's authority, which sidecars mount. */}}
{{- define "tabard.controlCa" -}}
{{- dig "control" "ca_config_map" "tabard-control-ca" .Values.injector.config -}}
{{- end -}}

{{- define "tabard.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/part-of: tabard
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{/* A Deployment of replicas that are alike: name, root, values, command, port, volumes and mounts. */}}
{{- define "tabard.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tabard.labels" . | nindent 4 }}
spec:
  replicas: {{ .values.replicas }}
  strategy:
    # While none answers, pods that are to have a sidecar aren't created, or don't become ready.
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels:
      app.kubernetes.io/name: {{ .name }}
  template:
    metadata:
      labels: {{- include "tabard.labels" . | nindent 8 }}
      annotations:
        # Another configuration starts other pods.
        checksum/config: {{ default .config .started | sha256sum }}
        {{- with .values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ .name }}
      enableServiceLinks: false
      {{- with .values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with .root.Values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        fsGroup: 65532
        seccompProfile:
          type: RuntimeDefault
      {{- with .root.Values.topologySpread }}
      {{- if .enabled }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: {{ .topologyKey }}
          whenUnsatisfiable: {{ .whenUnsatisfiable }}
          labelSelector:
            matchLabels:
              app.kubernetes.io/name: {{ $.name }}
      {{- end }}
      {{- end }}
      containers:
        - name: {{ .container }}
          image: {{ .root.Values.image }}
          imagePullPolicy: {{ .root.Values.imagePullPolicy }}
          command: [tabard, {{ .container }}, serve, --config, /etc/tabard/config/{{ .container }}.yaml]
          env:
            - {name: HOME, value: /tmp}
          ports:
            - {name: https, containerPort: {{ .port }}}
            {{- range .ports }}
            - {name: {{ .name }}, containerPort: {{ .port }}}
            {{- end }}
            - {name: http, containerPort: 9181}
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            periodSeconds: 2
          livenessProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: 10
            failureThreshold: 6
          securityContext:
            runAsUser: 65532
            runAsGroup: 65532
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          resources: {{- toYaml .values.resources | nindent 12 }}
          volumeMounts:
            - {name: config, mountPath: /etc/tabard/config, readOnly: true}
            {{- range $name, $secret := .secrets }}
            - {name: {{ $name }}, mountPath: /etc/tabard/{{ $name }}, readOnly: true}
            {{- end }}
            - {name: tmp, mountPath: /tmp}
      volumes:
        - name: config
          configMap:
            name: {{ .name }}
        {{- range $name, $secret := .secrets }}
        - name: {{ $name }}
          secret:
            secretName: {{ $secret }}
            defaultMode: 0440
        {{- end }}
        - name: tmp
          # The key of a certificate that the process keeps is here.
          emptyDir: {medium: Memory, sizeLimit: 16Mi}
{{- end -}}

{{/* What every Deployment needs beside it: name, root, container, config, port. */}}
{{- define "tabard.beside" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tabard.labels" . | nindent 4 }}
data:
  {{ .container }}.yaml: |
    {{- .config | nindent 4 }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tabard.labels" . | nindent 4 }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tabard.labels" . | nindent 4 }}
spec:
  selector:
    app.kubernetes.io/name: {{ .name }}
  ports:
    - {name: https, port: 443, targetPort: {{ .port }}}
    {{- range .ports }}
    - {name: {{ .name }}, port: {{ .port }}, targetPort: {{ .port }}}
    {{- end }}
    - {name: http, port: 9181, targetPort: 9181}
{{- if .root.Values.podDisruptionBudget.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tabard.labels" . | nindent 4 }}
spec:
  # With one replica this keeps nodes from being drained, so there is none then.
  minAvailable: {{ gt (int .values.replicas) 1 | ternary 1 0 }}
  selector:
    matchLabels:
      app.kubernetes.io/name: {{ .name }}
{{- end }}
{{- if .root.Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tabard.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ .name }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports:
        - {port: {{ .port }}}
        - {port: 9181}
    {{- range .ports }}
    - ports:
        - {port: {{ .port }}}
      {{- with .from }}
      from: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
  egress:
    {{- include "tabard.dns" . | nindent 4 }}
    - to: {{- include "tabard.anywhere" .root | nindent 8 }}
      ports: {{- include "tabard.apiPorts" .root | nindent 8 }}
    {{- with .values.reaches }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- if .root.Values.serviceMonitor.enabled }}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "tabard.labels" . | nindent 4 }}
    {{- with .root.Values.serviceMonitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: {{ .name }}
  endpoints:
    - port: http
      interval: {{ .root.Values.serviceMonitor.interval }}
{{- end }}
{{- end -}}

{{- define "tabard.dns" -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{- define "tabard.apiPorts" -}}
{{- range .Values.networkPolicy.apiServer.ports }}
- {port: {{ . }}}
{{- end }}
{{- end -}}

{{/* The API server if its addresses are known, else every address but those of the clouds' metadata. */}}
{{- define "tabard.anywhere" -}}
{{- if .Values.networkPolicy.apiServer.cidrs }}
{{- range .Values.networkPolicy.apiServer.cidrs }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- else }}
{{- $four := list }}{{ $six := list }}
{{- range .Values.networkPolicy.metadataAddresses }}
{{- if contains ":" . }}{{ $six = append $six . }}{{ else }}{{ $four = append $four . }}{{ end }}
{{- end }}
- ipBlock: {cidr: 0.0.0.0/0, except: {{ toJson $four }}}
- ipBlock: {cidr: "::/0", except: {{ toJson $six }}}
{{- end }}
{{- end -}}

{{/* What pods with a sidecar may reach. Agent and sidecar share the pod's network, so it limits both. */}}
{{- define "tabard.agentEgress" -}}
{{- include "tabard.dns" . }}
- to: {{- include "tabard.anywhere" . | nindent 4 }}
  ports: {{- include "tabard.apiPorts" . | nindent 4 }}
{{- if .Values.control.enabled }}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ .Release.Namespace }}
      podSelector:
        matchLabels:
          app.kubernetes.io/name: tabard-control
  ports:
    - {port: 8444}
{{- end }}
{{- with .Values.networkPolicy.backends }}
{{ toYaml . }}
{{- end }}
{{- end -}}
