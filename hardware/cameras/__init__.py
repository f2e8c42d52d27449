"""Real cameras, one module a kind; each describes itself in `KIND`."""
