"""Video files as frames with their own times: `probe` reads the head, `open_video` decodes."""

from framevote.video.decoding import Picture, Video, open_video, reopen
from framevote.video.motion import has_vectors, load_opencv
from framevote.video.probing import VIDEO_SUFFIXES, probe
from framevote.video.scaling import Scaler

__all__ = ["VIDEO_SUFFIXES", "Picture", "Scaler", "Video", "has_vectors", "load_opencv", "open_video", "probe", "reopen"]
