"""The plugins: one folder each, found by itself. How to write one: docs/plugins.md."""
