"""What minds that write are told, as data: one file per skill, versioned, its hash in every answer."""
