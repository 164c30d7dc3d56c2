"""The program that runs a GStreamer pipeline, whose pictures leave through its standard output.

It does what `gst-launch-1.0` does, but reads the pipeline from its standard input: anyone on the box can read a
command line, with the password of the camera in it.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys

_NAME = "gstreamer-1.0"
_PLAYING = 4
_EOS_OR_ERROR = 3
_FOREVER = 2**64 - 1


class _Error(ctypes.Structure):
    """GLib's GError."""

    _fields_ = (("domain", ctypes.c_uint32), ("code", ctypes.c_int), ("message", ctypes.c_char_p))


def is_there() -> bool:
    """Tell whether GStreamer is installed."""
    return ctypes.util.find_library(_NAME) is not None


def main() -> int:
    """Run the pipeline to its end; what goes wrong is said on standard error."""
    gst = _library()
    description, wrong = sys.stdin.buffer.read(), ctypes.POINTER(_Error)()
    gst.gst_init(None, None)
    pipeline = gst.gst_parse_launch(description, ctypes.byref(wrong))
    if wrong or not pipeline:
        return _say(wrong)
    bus = gst.gst_element_get_bus(pipeline)
    gst.gst_element_set_state(pipeline, _PLAYING)
    message = gst.gst_bus_timed_pop_filtered(bus, _FOREVER, _EOS_OR_ERROR)
    # That the stream has ended is a message that says no more.
    if not gst.gst_message_get_structure(message):
        return 0
    details = ctypes.c_char_p()
    gst.gst_message_parse_error(message, ctypes.byref(wrong), ctypes.byref(details))
    return _say(wrong, details.value or b"")


def _library() -> ctypes.CDLL:
    gst = ctypes.CDLL(ctypes.util.find_library(_NAME) or f"lib{_NAME}.so.0")
    pointer = ctypes.c_void_p
    gst.gst_parse_launch.argtypes, gst.gst_parse_launch.restype = [ctypes.c_char_p, pointer], pointer
    gst.gst_element_get_bus.argtypes, gst.gst_element_get_bus.restype = [pointer], pointer
    gst.gst_element_set_state.argtypes = [pointer, ctypes.c_int]
    gst.gst_bus_timed_pop_filtered.argtypes = [pointer, ctypes.c_uint64, ctypes.c_int]
    gst.gst_bus_timed_pop_filtered.restype = pointer
    gst.gst_message_get_structure.argtypes, gst.gst_message_get_structure.restype = [pointer], pointer
    gst.gst_message_parse_error.argtypes = [pointer, pointer, pointer]
    return gst


def _say(wrong: ctypes._Pointer[_Error], details: bytes = b"") -> int:
    """Say what went wrong in one line; the last line of the details says most."""
    said = wrong.contents.message if wrong else b"it cannot be made"
    more = details.strip().splitlines()[-1:]
    sys.stderr.write(b" ".join([said, *more]).decode(errors="replace") + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
