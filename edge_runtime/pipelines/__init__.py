"""Where a thing becomes another thing: frames into events, sound into questions, questions into answers."""
