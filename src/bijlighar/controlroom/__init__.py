"""The outermost floor: HTTP API, live feed, command line, pages, settings and the wiring of processes."""
