"""One module a subcommand, each with a `command`."""
