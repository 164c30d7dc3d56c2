"""edge-runtime: sees, hears and answers on the device."""

import os

# Both are read when cv2 is first imported: a picture file of 12 kB may ask for a hundred megapixels, and FFmpeg writes
# what it thinks of a file, or of an address with a password in it, to the terminal.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(64 * 2**20))
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

__version__ = "0.1.0"
