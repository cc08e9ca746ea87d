"""The reasons that the Wan service gives, in English and Chinese."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]

_TEXTS: dict[str, tuple[str, str]] = {
    "key_missing": (
        "The API key is missing: send the header Authorization: Bearer YOUR_API_KEY.",
        "缺少 API Key:请发送请求头 Authorization: Bearer YOUR_API_KEY。",
    ),
    "key_wrong": ("The API key is not valid.", "API Key 无效。"),
    "no_key_set": (
        "This server has no API key: start it with --apikey KEY to open this service.",
        "服务器未设置 API Key:请使用 --apikey KEY 启动服务。",
    ),
    "not_found": ("There is no task {id}.", "任务 {id} 不存在。"),
    "not_queued": (
        "Only a task that waits in the queue can be cancelled; this one is {status}.",
        "只能取消排队中的任务,当前状态:{status}。",
    ),
    "unknown_model": (
        'The model "{model}" is not known. Known are {known}.',
        "未知的模型“{model}”。可用的模型:{known}。",
    ),
    "bad_scheme": (
        "image_url: {url} is not accepted; give an address that begins with http:// or https://.",
        "图像下载失败:image_url {url} 无效,请使用以 http:// 或 https:// 开头的地址。",
    ),
    "bad_image": ("The image could not be fetched: {detail}", "图像下载失败:{detail}"),
    "bad_shape": (
        "image_url: a picture of {size} is too narrow; its sides may differ at most {limit} times.",
        "图像尺寸 {size} 过于狭长,长宽比不得超过 {limit}:1。",
    ),
    "queue_full": (
        "The queue is full ({count} tasks). Try again later.",
        "队列已满({count} 个任务),请稍后再试。",
    ),
    "out_of_memory": (
        "There is too little memory; choose a lower resolution or fewer frames. ({detail})",
        "显存不足:请降低分辨率或减少帧数。({detail})",
    ),
    "failed": ("The clip could not be made: {detail}", "视频生成失败:{detail}"),
    "cancelled": ("The task was cancelled.", "任务已取消。"),
}

# What is told of an image that could not be had, by words that stand in the program's own sentence.
_IMAGE_TROUBLES: tuple[tuple[str, str], ...] = (
    ("private network", "该地址指向服务器的内部网络,已被拒绝"),
    ("took too long", "下载超时"),
    ("was not found", "找不到该主机"),
    ("cannot be reached", "无法连接该地址"),
    ("the server answered", "图像服务器返回错误状态码"),
    ("redirects", "重定向次数过多"),
    ("larger than", "图像文件过大"),
    ("million pixels", "图像像素过多"),
    ("is not a web address", "URL 无效"),
    ("a picture is needed", "该文件不是图像"),
    ("damaged", "图像已损坏"),
)


def image_trouble(detail: str, language: Language) -> str:
    """Why an image could not be had, in a language; the program's own sentence goes along."""
    words = next((chinese for mark, chinese in _IMAGE_TROUBLES if mark in detail), "")
    told = f"{words}({detail})" if language == "zh" and words else detail
    return say("bad_image", language, detail=told)


def say(code: str, language: Language, **values: object) -> str:
    """The reason in a language."""
    return _TEXTS[code][language == "zh"].format(**values)


def language_of(accept_language: str | None) -> Language:
    """The language that a header Accept-Language prefers; English where it names neither."""
    best: tuple[float, Language] = (0.0, "en")
    for part in (accept_language or "").split(","):
        tag, _, parameter = part.strip().partition(";")
        name = tag.strip().lower().partition("-")[0]
        weight = _weight(parameter)
        if name in ("en", "zh") and weight > best[0]:
            best = (weight, "zh" if name == "zh" else "en")
    return best[1]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
