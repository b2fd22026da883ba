"""The only door to AWS: clients, errors, tags, and the hooks that see every request."""
