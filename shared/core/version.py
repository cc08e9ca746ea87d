"""The product's version."""

from __future__ import annotations

VERSION = "1.0.0"
