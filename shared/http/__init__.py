"""HTTP services: each folder is one foreign API over the same core (see dialect.py)."""
