"""What the sidecar leaves behind: decision log, application log, metrics and traces."""
