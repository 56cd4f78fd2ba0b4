"""Tools of the checkout itself: set-up, locks, the wheel. They need only Python's own library."""
