"""The runbooks: explicit lists of actions, read from top to bottom."""
