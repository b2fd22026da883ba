"""Policies for those who run drctl: what was recorded in the lab, scoped to one stack."""
