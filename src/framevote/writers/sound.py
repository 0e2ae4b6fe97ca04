"""The sound beside the pictures: packets copied untouched, or encoded anew where a container cannot hold them."""

from __future__ import annotations  # PyAV types its packets for the checker only

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from typing import Any, cast, final

import av
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from framevote.errors import OutputError
from framevote.records import VideoInfo
from framevote.video.decoding import CLOCK_SET_BACK
from framevote.video.probing import open_container
from framevote.writers.naming import name_track

ENCODERS = {"opus": "libopus", "aac": "aac"}
_FALLBACK_RATE = 48000  # samples a second where the encoder has not the source's: what Opus works at, and AAC has

_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)  # ISO/IEC 14496-3, table 1.18

# Neither codec has speakers at the sides without some at the back: they are one pair, and both codecs call it the back.
_BACK = {"quad(side)": "quad", "5.0(side)": "5.0", "5.1(side)": "5.1"}

# The layouts that Opus has (RFC 7845, section 5.1.1.2), and the nearest of them to others; what has no near one becomes stereo.
_OPUS_LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
_OPUS_NEAREST = {"4.0": "quad", "7.1(wide)": "7.1"}

# What a number of channels means where the file does not say which they are.
_USUAL = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


@final
class Sound:
    """Packets of sound in order, handed out as the pictures go on, so that the file comes out interleaved."""

    def __init__(self, packets: Iterator[Packet[Any]]) -> None:
        self._packets = packets
        self._held = next(packets, None)

    def until(self, time: float | None) -> Iterator[Packet[Any]]:
        """Yield what begins by `time`, in seconds of the container's own clock; None is all that is left."""
        while self._held is not None and (time is None or float((self._held.dts or 0) * self._held.time_base) <= time):
            yield self._held
            self._held = next(self._packets, None)


@contextmanager
def sound_for(info: VideoInfo, out: OutputContainer, audio: str) -> Iterator[Sound]:
    """Add the sound tracks of a video to an output, and hand out their packets; `audio` is copy, opus, aac or none.

    Raises:
        OutputError: the container cannot hold the source's codec; says which way out there is.
    """
    if audio == "none" or not info.has_audio:
        yield Sound(iter(()))
        return
    with open_container(info.path) as source:
        yield Sound(_fitted(source, out, audio))


def check_sound(info: VideoInfo, out: OutputContainer, audio: str) -> None:
    """Add the sound tracks as `sound_for` does, and read none of them: for an output that is thrown away.

    Raises:
        OutputError: the container cannot hold the source's codec; says which way out there is.
        FFmpegError: the encoder refuses a track.
    """
    if audio != "none" and info.has_audio:
        with open_container(info.path) as source:
            _fitted(source, out, audio)


def _fitted(source: InputContainer, out: OutputContainer, audio: str) -> Iterator[Packet[Any]]:
    return _copied(source, out) if audio == "copy" else _encoded(source, out, audio)


def _copied(source: InputContainer, out: OutputContainer) -> Iterator[Packet[Any]]:
    targets = {track.index: _template(track, out) for track in _tracks(source)}
    return _relabelled(_packets(source), targets)


def _relabelled(packets: Iterator[Packet[AudioStream]], targets: dict[int, AudioStream]) -> Iterator[Packet[Any]]:
    for packet in packets:
        if packet.dts is not None:
            packet.stream = targets[packet.stream.index]
            yield packet


def _template(track: AudioStream, out: OutputContainer) -> AudioStream:
    name = track.codec_context.name
    if track.codec.canonical_name not in out.supported_codecs:
        fits = "opus" if out.format.name == "webm" else "aac"
        raise OutputError(
            f"A .{out.format.name} file cannot hold {name} sound as it is. Write an .mkv, which holds any, or encode the sound "
            f"anew with --audio {fits}, or leave it out with --audio none."
        )
    target = out.add_stream_from_template(track)
    name_track(track, target)
    return target


def _encoded(source: InputContainer, out: OutputContainer, audio: str) -> Iterator[Packet[Any]]:
    if audio not in out.supported_codecs:
        raise OutputError(f"A .{out.format.name} file cannot hold {audio} sound. Take --audio opus, or write an .mkv.")
    tracks = _tracks(source)
    encoders = {track.index: _Encoder(track, out, audio) for track in tracks}
    decoded = (packet_out for packet in _packets(source) for packet_out in encoders[packet.stream.index].take(packet))
    return chain(decoded, (packet for encoder in encoders.values() for packet in encoder.finish()))


@final
class _Encoder:
    """Decodes one track, brings it to the encoder's rate, and encodes it."""

    def __init__(self, track: AudioStream, out: OutputContainer, audio: str) -> None:
        rate = track.rate if audio == "aac" and track.rate in _AAC_RATES else _FALLBACK_RATE
        target = out.add_stream(ENCODERS[audio], rate=rate, layout=_layout(track.layout, audio))
        self._target = cast(AudioStream, target)
        name_track(track, self._target)
        self._target.codec_context.open()
        self._cutter = self._resampler(self._target.codec_context.frame_size)
        self._end: int | None = None  # of the sound so far, in samples
        self._made_for: tuple[object, ...] = ()
        self._bringer = self._resampler()

    def take(self, packet: Packet[AudioStream]) -> Iterator[Packet[Any]]:
        try:
            frames = packet.decode()
        except av.FFmpegError:  # a damaged packet of sound costs only itself
            return
        for frame in frames:
            yield from self._encode(frame)

    def finish(self) -> Iterator[Packet[Any]]:
        yield from self._encode(None)
        yield from self._target.encode(None)

    def _resampler(self, frame_size: int | None = None) -> AudioResampler:
        return AudioResampler(self._target.format, self._target.layout, self._target.rate, frame_size)

    def _encode(self, frame: AudioFrame | None) -> Iterator[Packet[Any]]:
        for brought in self._brought(frame):
            for cut in self._cutter.resample(self._stamped(brought)):
                yield from self._target.encode(cut)
        if frame is None:
            for cut in self._cutter.resample(None):
                yield from self._target.encode(cut)

    def _brought(self, frame: AudioFrame | None) -> Iterator[AudioFrame]:
        """Yield the sound in the encoder's format; broadcasts change from stereo to 5.1 and back on the way."""
        properties = (frame.format.name, frame.layout.name, frame.sample_rate) if frame is not None else ()
        if properties != self._made_for:
            if self._made_for:
                yield from self._bringer.resample(None)
            self._made_for, self._bringer = properties, self._resampler()
        if frame is not None:
            yield from self._bringer.resample(frame)

    def _stamped(self, frame: AudioFrame) -> AudioFrame:
        """Count time in samples throughout, which what needed no conversion does not, and never back."""
        base = Fraction(1, self._target.rate)
        unsaid = frame.pts is None or frame.time_base is None
        pts = self._end or 0 if unsaid else round((frame.pts or 0) * (frame.time_base or base) / base)
        frame.pts, frame.time_base = pts if self._end is None else max(pts, self._end), base
        self._end = frame.pts + frame.samples
        return frame


def _layout(layout: AudioLayout, audio: str) -> str:
    """Return the name of the layout to encode in: the track's own, or the nearest that the codec has."""
    unsaid = any(channel.name == "NONE" for channel in layout.channels)
    name = _USUAL.get(layout.nb_channels, "stereo") if unsaid else _BACK.get(layout.name, layout.name)
    if audio == "aac" or name in _OPUS_LAYOUTS:
        return name
    return _OPUS_NEAREST.get(name, "stereo")


def _tracks(source: InputContainer) -> list[AudioStream]:
    """Return the tracks that hold sound indeed: some files announce tracks without a rate."""
    return [track for track in source.streams.audio if track.rate > 0]


def _packets(source: InputContainer) -> Iterator[Packet[AudioStream]]:
    return _going_on(_read(source))


def _going_on(packets: Iterator[Packet[AudioStream]]) -> Iterator[Packet[AudioStream]]:
    """Let time go on where a track's clock is set back, as it does for the pictures."""
    ends: dict[int, int] = {}
    set_back: dict[int, int] = {}
    for packet in packets:
        if packet.dts is not None:
            track = packet.stream.index
            dts, end = packet.dts + set_back.get(track, 0), ends.get(track)
            if end is not None and (end - dts) * packet.time_base > CLOCK_SET_BACK:
                set_back[track] = set_back.get(track, 0) + end - dts
            if shift := set_back.get(track, 0):
                packet.dts += shift
                packet.pts = None if packet.pts is None else packet.pts + shift
            ends[track] = packet.dts + (packet.duration or 0)
        yield packet


def _read(source: InputContainer) -> Iterator[Packet[AudioStream]]:
    packets = source.demux(tuple(_tracks(source)))
    while True:
        try:
            yield next(packets)
        except (StopIteration, av.FFmpegError):  # where the container breaks off, the sound does too
            return
