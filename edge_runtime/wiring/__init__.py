"""Rooms put together: what the settings want, made of what the rooms offer."""
