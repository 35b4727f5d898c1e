"""The errors that a user is meant to read."""


class InputError(ValueError):
    """Bad input: one line that names the key or file, what was found and how to mend it."""


class OtherLabels(InputError):
    """An image has labels that the source, to which it belongs, has not."""


class Interrupted(Exception):
    """SIGTERM or Ctrl-C came; what was computed so far is on disk."""
