"""Programs used by developers of the project, never by the running program."""
