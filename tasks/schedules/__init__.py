"""From schedules that make no runs to an event, from which an automation makes a message."""
