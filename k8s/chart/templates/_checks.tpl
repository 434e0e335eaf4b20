{{/* Refuses values that contradict each other, before anything is made of them. Each sentence says what to do. */}}
{{- define "tabard.check" -}}
{{- include "tabard.checkAudiences" . -}}
{{- include "tabard.checkSidecar" . -}}
{{- include "tabard.checkNetwork" . -}}
{{- if .Values.control.enabled }}{{ include "tabard.checkControl" . }}{{ end -}}
{{- end -}}

{{/* Each audience is for one party: who gets a token for one must not have one for another. */}}
{{- define "tabard.checkAudiences" -}}
{{- $config := .Values.injector.config -}}
{{- $identity := dig "cluster" "audience" "tabard" $config -}}
{{- $control := dig "control" "audience" "tabard-control" $config -}}
{{- if .Values.control.enabled }}{{ $control = dig "cluster" "audience" $control .Values.control.config }}{{ end -}}
{{- if eq $identity $control -}}
{{- fail (printf "injector.config.cluster.audience and the control service's audience are both %q, so a token for one would do for the other; set another injector.config.cluster.audience" $identity) -}}
{{- end -}}
{{- $issuer := dig "cluster" "issuer" "https://kubernetes.default.svc.cluster.local" $config -}}
{{- $taken := dict $identity "injector.config.cluster.audience" $control "the control service's audience" $issuer "the cluster's issuer, which every token for the API server has" -}}
{{- range $file, $audience := default dict (dig "cluster" "tokens" dict $config) -}}
{{- if has $file (list "token" "api-token" "ca.crt") -}}
{{- fail (printf "injector.config.cluster.tokens.%s is a file that the sidecar has already; use another name" $file) -}}
{{- end -}}
{{- with get $taken $audience -}}
{{- fail (printf "injector.config.cluster.tokens.%s is %s; use an audience of its own" $file .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tabard.checkSidecar" -}}
{{- $sidecar := default dict .Values.injector.config.sidecar -}}
{{- if eq (default "" $sidecar.files_secret) (default "tabard-keys" $sidecar.keys_secret) -}}
{{- fail "injector.config.sidecar.files_secret and keys_secret name the same Secret; the zone's keys have one of their own" -}}
{{- end -}}
{{- range $name := list "cpu_request" "most_cpu" -}}
{{- $value := get $sidecar $name -}}
{{- if $value -}}
{{- if not (regexMatch "^([0-9]+m|[0-9]+([.][0-9]{1,3})?)$" $value) -}}
{{- fail (printf "injector.config.sidecar.%s can't be %q; write an amount of processor such as 100m or 0.5, none finer than 1m" $name $value) -}}
{{- end -}}
{{- if eq (include "tabard.number" $value | float64) 0.0 -}}
{{- fail (printf "injector.config.sidecar.%s is nothing; write an amount such as 100m" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name := list "memory_request" "memory_limit" "most_memory" "state_size" "most_state" -}}
{{- $value := get $sidecar $name -}}
{{- if $value -}}
{{- if not (regexMatch "^[0-9]+([.][0-9]+)?([kMGTP]|[KMGTP]i)?$" $value) -}}
{{- fail (printf "injector.config.sidecar.%s can't be %q; write an amount in bytes such as 384Mi or 1Gi" $name $value) -}}
{{- end -}}
{{- if lt (include "tabard.number" $value | float64) 1048576.0 -}}
{{- fail (printf "injector.config.sidecar.%s is %q, less than 1Mi; write an amount with its unit, such as 384Mi" $name $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $request := default "160Mi" $sidecar.memory_request -}}
{{- $limit := default "384Mi" $sidecar.memory_limit -}}
{{- if gt (include "tabard.number" $request | float64) (include "tabard.number" $limit | float64) -}}
{{- fail (printf "injector.config.sidecar.memory_request (%s) is more than memory_limit (%s); lower it, or raise the limit" $request $limit) -}}
{{- end -}}
{{- end -}}

{{/* The value of an amount, in cores or bytes. */}}
{{- define "tabard.number" -}}
{{- $factors := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 -}}
{{- printf "%f" (mulf (regexFind "^[0-9]+([.][0-9]+)?" . | float64) (get $factors (regexFind "[A-Za-z]*$" .))) -}}
{{- end -}}

{{- define "tabard.checkNetwork" -}}
{{- $network := .Values.networkPolicy -}}
{{- if and $network.agentNamespaces (not $network.enabled) -}}
{{- fail "networkPolicy.agentNamespaces limits nothing while networkPolicy.enabled is false; set it to true, or name no namespaces" -}}
{{- end -}}
{{- $exempt := (include "tabard.injectorConfig" . | fromYaml).exempt_namespaces -}}
{{- range $network.agentNamespaces -}}
{{- if has . $exempt -}}
{{- fail (printf "networkPolicy.agentNamespaces names %s, which is exempt, so no pod there has a sidecar; name the agents' namespaces" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tabard.checkControl" -}}
{{- $control := .Values.control -}}
{{- $url := dig "control" "url" "" .Values.injector.config -}}
{{- $own := printf "https://tabard-control.%s.svc" .Release.Namespace -}}
{{- if and $url (ne $url $own) -}}
{{- fail (printf "injector.config.control.url is %s, and control.enabled installs a control service at %s; remove the URL, or set control.enabled to false" $url $own) -}}
{{- end -}}
{{- $certificates := list "tabard-injector-certificates" "tabard-control-certificates" -}}
{{- if not $control.mastersSecret -}}
{{- fail "control.mastersSecret is empty; name the Secret with the master keys that `tabard control keys new` makes" -}}
{{- end -}}
{{- if has $control.mastersSecret $certificates -}}
{{- fail (printf "control.mastersSecret is %s, which holds certificates; name the Secret with the master keys" $control.mastersSecret) -}}
{{- end -}}
{{- if has $control.tlsSecret (append $certificates $control.mastersSecret) -}}
{{- fail (printf "control.tlsSecret is %s; name a Secret with nothing but your own tls.crt and tls.key, or leave it empty" $control.tlsSecret) -}}
{{- end -}}
{{- if and $control.tlsSecret $control.names -}}
{{- fail "control.names is for the certificate that the service makes itself, and control.tlsSecret names another one; remove control.names, or leave control.tlsSecret empty" -}}
{{- end -}}
{{- range $name, $secret := $control.secrets -}}
{{- if has $secret (append $certificates $control.mastersSecret) -}}
{{- fail (printf "control.secrets.%s is %s, which the service has for its own use; put files for control.config into another Secret" $name $secret) -}}
{{- end -}}
{{- end -}}
{{- include "tabard.checkOperators" . -}}
{{- end -}}

{{- define "tabard.checkOperators" -}}
{{- $config := .Values.control.config -}}
{{- $operators := get $config "operators" -}}
{{- if not (kindIs "map" $operators) -}}
{{- if .Values.control.operatorsFrom -}}
{{- fail "control.operatorsFrom limits a port that isn't served; add the section control.config.operators, or remove it" -}}
{{- end -}}
{{- range $name, $zone := default dict $config.zones -}}
{{- if $zone.operators -}}
{{- fail (printf "control.config.zones.%s.operators gives roles, and there is no section control.config.operators that says who people are; add it, or remove the roles" $name) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- $audience := dig "audience" "tabard-operators" $operators -}}
{{- $config = include "tabard.injectorConfig" . | fromYaml -}}
{{- $sidecars := concat (list (dig "cluster" "audience" "tabard" $config) $config.control.audience) (values (dig "cluster" "tokens" dict $config)) -}}
{{- if has $audience $sidecars -}}
{{- fail (printf "control.config.operators.audience is %q, an audience of the sidecars' tokens, so every sidecar could operate zones; set another one" $audience) -}}
{{- end -}}
{{- end -}}
{{- end -}}
