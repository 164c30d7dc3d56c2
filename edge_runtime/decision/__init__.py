"""Policy: pure, no I/O, no model, no clock; time arrives with the data."""
