"""Virtual media under the import path that WanGP clients and plugins use."""

from shared.media.virtual import (
    VirtualMediaSpec,
    build_virtual_media_path,
    clamp_virtual_frame_range,
    clear_virtual_media_source,
    get_virtual_image,
    get_virtual_media_entry,
    get_virtual_media_vsource,
    get_virtual_video,
    media_source_exists,
    parse_virtual_media_path,
    replace_virtual_media_source,
    store_virtual_image,
    store_virtual_video,
    strip_virtual_media_suffix,
)

__all__ = [
    "VirtualMediaSpec",
    "build_virtual_media_path",
    "clamp_virtual_frame_range",
    "clear_virtual_media_source",
    "get_virtual_image",
    "get_virtual_media_entry",
    "get_virtual_media_vsource",
    "get_virtual_video",
    "media_source_exists",
    "parse_virtual_media_path",
    "replace_virtual_media_source",
    "store_virtual_image",
    "store_virtual_video",
    "strip_virtual_media_suffix",
]
