"""All of Winnow on this machine, by one command: server, worker, deployments, automations and review page."""
