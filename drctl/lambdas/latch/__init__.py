"""The latch: keeps users in the region that they fled to, until an operator sends them elsewhere."""
