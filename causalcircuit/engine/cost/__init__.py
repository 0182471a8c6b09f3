"""What passes cost: operations, memory, seconds."""
