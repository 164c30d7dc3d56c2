"""What a model bundle is and how it is proved whole."""
