"""The command line: parse, call one function, render. Heavy modules are imported when a command runs."""
