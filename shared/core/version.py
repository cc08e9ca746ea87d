"""The product's version, and that of the plugin interface."""

from __future__ import annotations

VERSION = "1.0.0"

# The WanGP whose plugin interface is offered; a plugin that asks for a later one is not loaded.
WAN2GP_VERSION = "12.61"

# Counts the changes of the plugin interface; tests/plugins/contract.json holds what this one promises.
PLUGIN_INTERFACE = 1
