"""`python -m drctl.cli`: the command, by the interpreter that has it, whatever is on the PATH."""

from drctl.cli.main import main

main()
