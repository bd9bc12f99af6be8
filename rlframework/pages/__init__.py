"""One-file HTML pages: the template that reports share, its style and scripts, and text that nobody has to trust."""
