"""The world comes in: cameras, microphones and their replays from disk."""
