"""edge-runtime: sees, hears and answers on the device."""

__version__ = "0.1.0"
