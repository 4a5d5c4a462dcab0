"""Errors that only devices other than the CPU raise."""


class OutOfMemoryError(MemoryError):
    """A device has no room for an array; work can go on with a smaller one."""
