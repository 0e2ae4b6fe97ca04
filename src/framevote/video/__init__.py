"""Video files as frames with their own times: `probe` reads the head, `open_video` decodes."""

from framevote.video.decoding import Picture, Video, open_video, reopen
from framevote.video.index import Index, index_of
from framevote.video.keyframes import keyframes
from framevote.video.motion import has_vectors, load_opencv
from framevote.video.probing import VIDEO_SUFFIXES, probe
from framevote.video.scaling import Scaler
from framevote.video.seeking import Seeker

__all__ = [
    "VIDEO_SUFFIXES",
    "Index",
    "Picture",
    "Scaler",
    "Seeker",
    "Video",
    "has_vectors",
    "index_of",
    "keyframes",
    "load_opencv",
    "open_video",
    "probe",
    "reopen",
]
