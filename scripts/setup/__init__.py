"""The set-up: environments, locked packages, built pages, what Debian lends; each step only when needed."""
