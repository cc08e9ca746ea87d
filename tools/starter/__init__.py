"""How the embedded model `starter` was made: renderer, training, judge."""
