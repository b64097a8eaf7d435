"""The command line: each command is a dataclass, and its flags are the fields."""
