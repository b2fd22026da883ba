"""Whether a failover could begin now: rules over one read of the live stack, each with its reason and its remedy."""
