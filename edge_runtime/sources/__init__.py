"""The world comes in: cameras, microphones and their replays from disk."""

import os

# Before the first `import cv2`: a picture file of 12 kB may ask for a hundred megapixels, an address may hold a
# password, and FFmpeg writes both troubles and addresses to the terminal.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(64 * 2**20))
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
