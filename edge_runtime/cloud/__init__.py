"""The one place that talks to a cloud model."""
