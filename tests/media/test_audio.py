"""Sound: read, written, cut, put beside a picture."""

from __future__ import annotations

import av
import numpy as np
import pytest

from shared.core.errors import MediaError
from shared.media.audio import AudioClip, as_clip, audio_extension, mux_audio, read_audio, write_audio
from shared.media.video import probe, read_frames, write_video
from tests.media.conftest import numbered_frames


def tone(frequency=440.0, seconds=2.0, rate=44100, channels=2):
    wave = 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)
    return AudioClip(np.repeat(wave.astype(np.float32)[:, None], channels, axis=1), rate)


def pitch(clip):
    samples = clip.samples[len(clip.samples) // 10 :, 0]
    return np.abs(np.fft.rfft(samples)).argmax() * clip.sampling_rate / len(samples)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("codec", "extension"), [("wav", ".wav"), ("flac", ".flac"), ("mp3_192", ".mp3"), ("aac_128", ".m4a")]
)
def test_every_codec_gives_back_its_sound(tmp_path, codec, extension, channels):
    clip = tone(channels=channels)
    path = write_audio(clip, tmp_path / f"a{audio_extension(codec)}", codec)
    assert path.suffix == extension
    read = read_audio(path)
    assert read.sampling_rate == 44100 and read.samples.dtype == np.float32 and read.samples.shape[1] == channels
    assert read.duration_s == pytest.approx(2, abs=0.05) and pitch(read) == pytest.approx(440, abs=2)
    assert np.abs(read.samples[4410:-8820]).max() == pytest.approx(0.5, abs=0.02)


def test_wav_gives_back_the_same_samples(tmp_path):
    noise = AudioClip(np.random.default_rng(1).uniform(-1, 1, (5000, 2)).astype(np.float32), 22050)
    read = read_audio(write_audio(noise, tmp_path / "a.wav"))
    assert read.samples.shape == (5000, 2) and np.abs(read.samples - noise.samples).max() < 1 / 32000


def test_sound_is_converted_and_cut_while_read(tmp_path):
    path = write_audio(tone(), tmp_path / "a.wav")
    read = read_audio(path, 16000, start_s=0.5, duration_s=1.0, channels=1)
    assert read.sampling_rate == 16000 and read.samples.shape == (16000, 1)
    assert pitch(read) == pytest.approx(440, abs=2)


def test_samples_of_any_shape_become_a_clip():
    wave = np.linspace(-1, 1, 100)
    for samples, shape in ((wave, (100, 1)), (wave[None], (100, 1)), (np.stack([wave, wave]), (100, 2)),
                           ((wave * 32767).astype(np.int16), (100, 1))):  # fmt: skip
        clip = as_clip(samples, 8000)
        assert clip.samples.shape == shape and clip.samples.dtype == np.float32
        assert np.allclose(clip.samples[:, 0], wave, atol=1e-4)
    with pytest.raises(MediaError, match=r"Sound of shape \(0,\)"):
        as_clip(np.zeros(0), 8000)


def test_a_suffix_picks_the_track_and_the_time(tmp_path):
    path = tmp_path / "tracks.mkv"
    frames = numbered_frames(20)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        tracks = [container.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(2)]
        for pixels in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels)))
        for track, frequency in zip(tracks, (300, 900), strict=True):
            wave = (16000 * np.sin(2 * np.pi * frequency * np.arange(16000) / 8000)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
            frame.sample_rate = 8000
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
        container.mux(video.encode(None))
    assert pitch(read_audio(path)) == pytest.approx(300, abs=2)
    assert pitch(read_audio(f"{path}|audio_track_no=2")) == pytest.approx(900, abs=2)
    assert read_audio(f"{path}|start_frame=5,end_frame=9").duration_s == pytest.approx(0.5, abs=0.01)
    with pytest.raises(MediaError, match=r"audio_track_no 3 is not there; the file has 2"):
        read_audio(f"{path}|audio_track_no=3")


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_sound_is_put_to_a_clip_without_touching_its_frames(tmp_path, container):
    path = write_video(numbered_frames(24), tmp_path / f"a.{container}", 12, audio=tone(880))
    muxed = mux_audio(path, tone(330, seconds=5), tmp_path / f"b.{container}")
    info = probe(muxed)
    assert info.has_audio and info.num_frames == 24 and info.fps == 12
    assert np.array_equal(read_frames(muxed)[0], read_frames(path)[0])
    heard = read_audio(muxed)
    assert pitch(heard) == pytest.approx(330, abs=2) and heard.duration_s == pytest.approx(2, abs=0.06)


def test_a_clip_without_sound_a_text_and_a_late_start_are_told(tmp_path):
    silent = write_video(numbered_frames(2), tmp_path / "silent.mp4", 8)
    with pytest.raises(MediaError, match=r"silent\.mp4: this file holds no sound"):
        read_audio(silent)
    (tmp_path / "song.mp3").write_text("la la la")
    with pytest.raises(MediaError, match=r"song\.mp3: this is a text file"):
        read_audio(tmp_path / "song.mp3")
    with pytest.raises(MediaError, match="no sound from second 9 on"):
        read_audio(write_audio(tone(), tmp_path / "a.wav"), start_s=9)


def test_an_unknown_sound_codec_leaves_nothing(tmp_path):
    with pytest.raises(MediaError, match="'ogg_5' is not known"):
        write_audio(tone(), tmp_path / "a.ogg", "ogg_5")
    assert list(tmp_path.iterdir()) == []
