"""Other people's models become bundles here; torch and its kin are the extra [build]."""
