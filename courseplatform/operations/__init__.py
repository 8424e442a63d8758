"""What whoever runs the platform needs: probes, metrics, logs, checks before an upgrade, backups."""
