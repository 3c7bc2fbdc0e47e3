"""`bstdg predict`: what is decided, how that is read ahead, and where the results go."""
