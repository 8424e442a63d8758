{{- define "course.pod" -}}
{{- $root := .root -}}
terminationGracePeriodSeconds: {{ add $root.Values.drainSeconds 50 }}
securityContext: { runAsNonRoot: true, runAsUser: 10001, fsGroup: 10001 }
containers:
  - name: {{ .name }}
    image: "{{ $root.Values.image.repository }}:{{ .tag }}"
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: {{ .args | toJson }}
    command: ["python", "manage.py", "start"]
    envFrom:
      - secretRef: { name: {{ $root.Values.existingSecret }} }
      - configMapRef: { name: {{ $root.Release.Name }}-env }
    volumeMounts:
      - { name: files, mountPath: /var/lib/course-platform }
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } }
    resources: {{ .resources | toJson }}
{{- if .port }}
    ports: [{ containerPort: {{ .port }} }]
{{- end }}
{{- if .probes }}
    # Pages work without Redis; a process that cannot reach the database is not to be restarted for it.
    livenessProbe: { httpGet: { path: /livez, port: {{ .port }} }, periodSeconds: 10, timeoutSeconds: 3 }
    readinessProbe:
      httpGet:
        path: /readyz?exclude=redis
        port: {{ .port }}
        httpHeaders: [{ name: Host, value: {{ $root.Values.host }} }]
      periodSeconds: 5
      timeoutSeconds: 3
    lifecycle: { preStop: { exec: { command: ["sleep", "3"] } } }
{{- end }}
volumes:
  - name: files
    persistentVolumeClaim: { claimName: {{ $root.Values.storage.existingClaim }} }
{{- end -}}
