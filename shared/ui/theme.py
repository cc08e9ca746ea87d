"""Colours, fonts and measures of the page, for Gradio; the panels take them from the same variables."""

from __future__ import annotations

import gradio as gr

# Fonts of the system only: the page asks no other host for anything.
FONT = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Consolas", "Liberation Mono", "monospace"]


def page_theme() -> gr.themes.Base:
    """A quiet theme: neutral surfaces, one accent, small radii."""
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.teal, neutral_hue=gr.themes.colors.zinc, font=FONT, font_mono=MONO,
        radius_size=gr.themes.sizes.radius_md, spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
    )  # fmt: skip
    return theme.set(
        body_background_fill="#f6f6f7", body_background_fill_dark="#101113",
        body_text_color="#1b1c1f", body_text_color_dark="#e9eaec",
        body_text_color_subdued="#62656d", body_text_color_subdued_dark="#9a9da6",
        block_background_fill="#ffffff", block_background_fill_dark="#18191c",
        block_border_width="0px", block_border_width_dark="0px",
        block_border_color="#e4e5e9", block_border_color_dark="#2a2c31",
        border_color_primary="#e0e1e6", border_color_primary_dark="#2f3137",
        block_label_background_fill="transparent", block_label_background_fill_dark="transparent",
        block_label_border_width="0px", block_label_border_width_dark="0px",
        block_label_text_color="#3c3e45", block_label_text_color_dark="#c6c8ce",
        block_label_text_weight="550", block_title_text_weight="550",
        block_title_text_color="#3c3e45", block_title_text_color_dark="#c6c8ce",
        block_info_text_color="#6b6e76", block_info_text_color_dark="#8f929b", block_info_text_size="12px",
        block_shadow="none", block_shadow_dark="none", block_padding="10px 12px",
        background_fill_primary="#ffffff", background_fill_primary_dark="#18191c",
        background_fill_secondary="#f1f1f3", background_fill_secondary_dark="#1f2024",
        input_background_fill="#ffffff", input_background_fill_dark="#111215",
        input_border_color="#d5d6dc", input_border_color_dark="#34363d", input_border_width="1px",
        input_border_color_focus="#0f766e", input_border_color_focus_dark="#2dd4bf",
        input_shadow="none", input_shadow_focus="0 0 0 3px rgba(13,148,136,.18)",
        slider_color="#0f766e", slider_color_dark="#2dd4bf",
        checkbox_background_color_selected="#0f766e", checkbox_background_color_selected_dark="#14b8a6",
        button_primary_background_fill="#0f766e", button_primary_background_fill_hover="#115e59",
        button_primary_background_fill_dark="#14b8a6", button_primary_background_fill_hover_dark="#2dd4bf",
        button_primary_text_color="#ffffff", button_primary_text_color_dark="#06201d",
        button_secondary_background_fill="#ffffff", button_secondary_background_fill_dark="#232428",
        button_secondary_background_fill_hover="#f1f1f3", button_secondary_background_fill_hover_dark="#2c2e33",
        button_secondary_border_color="#d5d6dc", button_secondary_border_color_dark="#383a41",
        button_large_radius="8px", button_small_radius="6px",
    )  # fmt: skip
