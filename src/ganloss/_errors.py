"""Errors a user can meet, each with the exit code the command line gives it."""


class GanlossError(Exception):
    """Something the user can mend; the message says what, where and how."""

    exit_code = 1


class UsageError(GanlossError):
    """A flag, name or setting is wrong."""

    exit_code = 2


class MisuseError(UsageError, ValueError):
    """An argument of a function of the library is wrong, which a flag may have asked for."""


class DataError(GanlossError):
    """The data cannot be used as they are."""

    exit_code = 3


class WeightsError(GanlossError):
    """Pretrained weights are missing or unreadable."""

    exit_code = 4


class DivergedError(GanlossError):
    """Training produced a number that is not finite."""

    exit_code = 5


class StorageError(GanlossError):
    """Disk, permissions, locks or memory stand in the way."""

    exit_code = 6


class CheckpointError(GanlossError):
    """A checkpoint is damaged, foreign or of another version."""

    exit_code = 7
