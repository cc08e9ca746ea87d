"""Errors whose text is fit for a user: what was wrong, what was given, what is accepted, what to do."""

from __future__ import annotations


class WanGPError(Exception):
    """Base of every error that a door shows as it is; anything else is a bug and is logged with its traceback."""


class SettingsError(WanGPError):
    """A setting or settings file that cannot be used; the text names setting, value and what is accepted."""


class ModelNotFound(WanGPError):
    """An unknown model id, or a model whose definition is broken."""


class DownloadError(WanGPError):
    """A file of a model that is missing and could not be fetched."""


class MediaError(WanGPError):
    """A picture, clip or sound that is missing, damaged, too large, or not what its name says."""


class QueueError(WanGPError):
    """The queue or its file cannot be used (locked by another program, damaged, full disk)."""


class PluginError(WanGPError):
    """A plugin that failed; never ends the program."""


class OutOfMemory(WanGPError):
    """The device or the machine has too little memory for the request."""


class WorkerDied(WanGPError):
    """The process that ran the task ended without an answer (native crash, out-of-memory kill)."""


class Cancelled(WanGPError):
    """The user ended the task."""

    def __init__(self, message: str = "Generation was cancelled") -> None:
        super().__init__(message)
