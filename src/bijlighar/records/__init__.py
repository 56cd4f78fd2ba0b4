"""What is kept: registry, readings in segments, contacts, jobs, people and sessions."""
