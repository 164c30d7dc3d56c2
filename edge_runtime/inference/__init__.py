"""Arrays in, meaning out: one class per model, one verb each."""
