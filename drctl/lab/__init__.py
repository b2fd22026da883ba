"""The simulated AWS on this machine: moto's server at its core, and around it what moto lacks and AWS does."""
