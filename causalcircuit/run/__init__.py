"""The orchestrator: check, plan, table, estimate, result."""
