"""What the box can answer by itself: one file per skill."""
