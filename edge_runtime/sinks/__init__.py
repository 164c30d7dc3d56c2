"""The world hears: every event to every sink."""
