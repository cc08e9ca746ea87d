"""The page's side of plugins: their base class, and the host that loads them."""
