"""What FooocusAPI takes: one flat request, every field of it optional."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator

from shared.http.fooocus import (
    ClothCategory,
    ControlType,
    EnhanceOrder,
    EnhancePrompts,
    MaskModel,
    Performance,
    SamModel,
    Side,
    UpscaleOrVary,
)

DEFAULT_LORAS = (("sd_xl_offset_example-lora_1.0.safetensors", 0.1), *(("None", 1.0),) * 4)


class Lenient(BaseModel):
    """A request: fields that nobody reads are kept, so that they can be told."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False, protected_namespaces=())


class Lora(Lenient):
    """A LoRA by its file name."""

    enabled: bool = True
    model_name: str = "None"
    weight: float = Field(0.5, ge=-2, le=2)


class ControlImage(Lenient):
    """A picture that steers the result; `cn_img` is base64, a data URI or an address."""

    cn_img: str | None = ""
    cn_stop: float = Field(0.6, ge=0, le=1)
    cn_weight: float = Field(0.6, ge=0, le=2)
    cn_type: ControlType = "ImagePrompt"


class EnhanceControl(Lenient):
    """One pass of enhancement: what is looked for, and what is painted there."""

    enhance_enabled: bool = False
    enhance_mask_dino_prompt: str = "face"
    enhance_prompt: str = ""
    enhance_negative_prompt: str = ""
    enhance_mask_model: MaskModel = "sam"
    enhance_mask_cloth_category: ClothCategory = "full"
    enhance_mask_sam_model: SamModel = "vit_b"
    enhance_mask_text_threshold: float = Field(0.25, ge=0, le=1)
    enhance_mask_box_threshold: float = Field(0.3, ge=0, le=1)
    enhance_mask_sam_max_detections: int = Field(0, ge=0, le=10)
    enhance_inpaint_disable_initial_latent: bool = False
    enhance_inpaint_engine: str = "v2.6"
    enhance_inpaint_strength: float = Field(1, ge=0, le=1)
    enhance_inpaint_respective_field: float = Field(0.618, ge=0, le=1)
    enhance_inpaint_erode_or_dilate: int = Field(0, ge=-64, le=64)
    enhance_mask_invert: bool = False


class PromptFields(Lenient):
    """What is made, how large and how many."""

    prompt: str = ""
    negative_prompt: str = ""
    style_selections: list[str] = ["Fooocus V2", "Fooocus Enhance", "Fooocus Sharp"]
    performance_selection: Performance = "Speed"
    aspect_ratios_selection: str = "1152*896"
    image_number: int = Field(1, ge=1, le=32)
    image_seed: int = -1
    read_wildcards_in_order: bool = False
    sharpness: float = Field(2.0, ge=0, le=30)
    guidance_scale: float = Field(4.0, ge=1, le=30)
    base_model_name: str = ""
    refiner_model_name: str = "None"
    refiner_switch: float = Field(0.5, ge=0.1, le=1)
    loras: list[Lora] = [Lora(model_name=name, weight=weight) for name, weight in DEFAULT_LORAS]
    preset: str = "initial"


class PictureFields(Lenient):
    """The pictures that a request starts from. Each is base64, a data URI or an address; "" and "None" are none."""

    input_image_checkbox: bool = Field(True, description="No effect: pictures are used when they are sent.")
    current_tab: str = Field("uov", description="No effect: what is done follows from the pictures sent.")
    uov_method: UpscaleOrVary = "Disabled"
    uov_input_image: str | None = "None"
    upscale_multiple: float = Field(1.0, ge=1, le=5)
    outpaint_selections: list[Side] = []
    outpaint_distance: list[int] = Field([0, 0, 0, 0], description="Pixels: left, top, right, bottom; 0 is 30 %.")
    inpaint_input_image: str | None = "None"
    inpaint_additional_prompt: str | None = ""
    inpaint_mask_image_upload: str | None = "None"
    controlnet_image: list[ControlImage] = [ControlImage(cn_stop=0.6, cn_weight=0.6)]
    enhance_input_image: str | None = "None"
    enhance_checkbox: bool = False
    enhance_uov_method: UpscaleOrVary = "Disabled"
    enhance_uov_processing_order: EnhanceOrder = "Before First Enhancement"
    enhance_uov_prompt_type: EnhancePrompts = "Original Prompts"
    enhance_ctrls: list[EnhanceControl] = Field([], max_length=3)
    save_final_enhanced_image_only: bool = False

    @field_validator("outpaint_distance")
    @classmethod
    def four_distances(cls, value: list[int]) -> list[int]:
        """Distances that were left out are 0."""
        if len(value) > 4:
            raise ValueError("at most four distances: left, top, right, bottom")
        return [*value, *(0,) * (4 - len(value))]


class AdvancedFields(Lenient):
    """The finer controls of sampling, upscaling, control images and inpainting."""

    disable_preview: bool = False
    disable_intermediate_results: bool = False
    disable_seed_increment: bool = False
    black_out_nsfw: bool = False
    adm_scaler_positive: float = Field(1.5, ge=0, le=3)
    adm_scaler_negative: float = Field(0.8, ge=0, le=3)
    adm_scaler_end: float = Field(0.3, ge=0, le=1)
    adaptive_cfg: float = Field(7.0, ge=1, le=30)
    clip_skip: int = Field(2, ge=1, le=12)
    sampler_name: str = "dpmpp_2m_sde_gpu"
    scheduler_name: str = "karras"
    vae_name: str = "Default (model)"
    overwrite_step: int = Field(-1, ge=-1, le=200)
    overwrite_switch: float = Field(-1, ge=-1, le=200)
    overwrite_width: int = Field(-1, ge=-1, le=2048)
    overwrite_height: int = Field(-1, ge=-1, le=2048)
    overwrite_vary_strength: float = Field(-1, ge=-1, le=1)
    overwrite_upscale_strength: float = Field(-1, ge=-1, le=1)
    mixing_image_prompt_and_vary_upscale: bool = False
    mixing_image_prompt_and_inpaint: bool = False
    debugging_cn_preprocessor: bool = False
    skipping_cn_preprocessor: bool = False
    canny_low_threshold: int = Field(64, ge=1, le=255)
    canny_high_threshold: int = Field(128, ge=1, le=255)
    refiner_swap_method: str = "joint"
    controlnet_softness: float = Field(0.25, ge=0, le=1)
    freeu_enabled: bool = False
    freeu_b1: float = 1.01
    freeu_b2: float = 1.02
    freeu_s1: float = 0.99
    freeu_s2: float = 0.95
    debugging_inpaint_preprocessor: bool = False
    inpaint_disable_initial_latent: bool = False
    inpaint_engine: str = "v2.6"
    inpaint_strength: float = Field(1.0, ge=0, le=1)
    inpaint_respective_field: float = Field(0.618, ge=0, le=1)
    inpaint_mask_upload_checkbox: bool = Field(
        False, validation_alias=AliasChoices("inpaint_mask_upload_checkbox", "inpaint_advanced_masking_checkbox"),
        description="No effect: a mask is used when it is sent.",
    )  # fmt: skip
    invert_mask_checkbox: bool = False
    inpaint_erode_or_dilate: int = Field(0, ge=-64, le=64)
    debugging_dino: bool = False
    dino_erode_or_dilate: int = Field(0, ge=-64, le=64)
    debugging_enhance_masks_checkbox: bool = False


class GenerateRequest(AdvancedFields, PictureFields, PromptFields):
    """A request to make pictures; fields that are not known are ignored."""

    model_config = ConfigDict(json_schema_extra={"example": {
        "prompt": "a lighthouse at dawn", "negative_prompt": "", "performance_selection": "Lightning",
        "async_process": True, "webhook_url": "",
    }})  # fmt: skip

    generate_image_grid: bool = False
    output_format: Literal["png", "jpeg", "jpg", "webp"] = "png"
    save_metadata_to_images: bool = True
    metadata_scheme: Literal["fooocus", "a1111", "a111"] = "fooocus"
    save_name: str | None = Field(None, max_length=100, description="Files are called `<save_name>-<number>`.")
    stream_output: bool = Field(False, description="Reply with the progress as server-sent events.")
    async_process: bool = Field(False, description="Reply at once; ask for the result at /tasks/{task_id}.")
    require_base64: bool = Field(False, description="No effect.")
    webhook_url: str | None = Field("", description="Where the finished record is posted to.")

    @field_validator("image_seed", mode="before")
    @classmethod
    def readable_seed(cls, value: Any) -> Any:
        """A number beyond all seeds is drawn anew, as -1 is."""
        return -1 if isinstance(value, int) and not -1 <= value < 2**63 else value


class Task(BaseModel):
    """A request as it stands; times are milliseconds since 1970."""

    id: int = -1
    task_id: str
    req_params: dict[str, Any] = {}
    in_queue_mills: int | None = -1
    start_mills: int | None = -1
    finish_mills: int | None = -1
    task_status: str | None = "pending"
    progress: float | None = -1
    preview: str | None = ""
    webhook_url: str | None = ""
    result: list[str] | None = []


class Tasks(BaseModel):
    """The requests that have ended, the one that runs, and those that wait."""

    history: list[dict[str, Any]] = []
    current: list[dict[str, Any]] = []
    pending: list[dict[str, Any]] = []


class DescribeRequest(Lenient):
    """A picture to be put into words."""

    image: str
    image_type: Literal["Photo", "Anime"] = "Photo"


class Message(BaseModel):
    """What was done."""

    message: str


class Description(BaseModel):
    """What a picture shows."""

    describe: str


class Refusal(BaseModel):
    """Why a request was refused: a sentence, or an entry for each field."""

    detail: str | list[dict[str, Any]]
