"""What is watched from outside: metrics for Prometheus, alert rules for it, and a dashboard for Grafana."""
