"""Verbs: one change of state or one proof each; runbooks are lists of them."""
