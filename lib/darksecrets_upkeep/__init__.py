"""Upkeep: what made what the book publishes, and checks it. Reading and building the book need none of it."""
