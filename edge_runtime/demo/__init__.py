"""The embedded demo: a clip, a spoken command and the settings to run them."""
