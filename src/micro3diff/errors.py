"""The errors that a user is meant to read."""


class InputError(ValueError):
    """Bad input: one line that names the key or file, what was found and how to mend it."""


class Interrupted(Exception):
    """SIGTERM came; what was computed so far is on disk."""
