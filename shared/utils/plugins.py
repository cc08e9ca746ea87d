"""The plugins' base class under the import path that WanGP's plugins use."""

from shared.ui.plugins.base import PluginTab, WAN2GPPlugin

__all__ = ["PluginTab", "WAN2GPPlugin"]
