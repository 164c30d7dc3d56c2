"""The doors of the box: other programs use its ears, its mouth and its answers."""
