"""Requests and replies of Fooocus-API: its field names, defaults and bounds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

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

DEFAULT_STYLES = ("Fooocus V2", "Fooocus Enhance", "Fooocus Sharp")
DEFAULT_LORA = {"model_name": "sd_xl_offset_example-lora_1.0.safetensors", "weight": 0.1}
DEFAULT_MODEL = "juggernautXL_v8Rundiffusion.safetensors"

Share = Annotated[float, Field(ge=0, le=1)]
OwnShare = Annotated[float, Field(ge=-1, le=1)]
Threshold = Annotated[int, Field(ge=1, le=255)]
Growth = Annotated[int, Field(ge=-64, le=64)]
OwnSide = Annotated[int, Field(ge=-1, le=2048)]


class Lenient(BaseModel):
    """A request: fields that nobody reads are kept, so that they can be told."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False, protected_namespaces=())


class Lora(Lenient):
    """One LoRA; the name may be completed from disk."""

    enabled: bool = True
    model_name: str = "None"
    weight: float = Field(0.5, ge=-2, le=2)


class AdvancedParams(Lenient):
    """The fine tuning."""

    disable_preview: bool = False
    disable_intermediate_results: bool = False
    disable_seed_increment: bool = False
    adm_scaler_positive: float = Field(1.5, ge=0.1, le=3)
    adm_scaler_negative: float = Field(0.8, ge=0.1, le=3)
    adm_scaler_end: Share = 0.3
    adaptive_cfg: float = Field(7.0, ge=1, le=30)
    clip_skip: int = Field(2, ge=1, le=12)
    sampler_name: str = "dpmpp_2m_sde_gpu"
    scheduler_name: str = "karras"
    vae_name: str = "Default (model)"
    overwrite_step: int = Field(-1, ge=-1, le=200)
    overwrite_switch: float = Field(-1, ge=-1, le=200)
    overwrite_width: OwnSide = -1
    overwrite_height: OwnSide = -1
    overwrite_vary_strength: OwnShare = -1
    overwrite_upscale_strength: OwnShare = -1
    mixing_image_prompt_and_vary_upscale: bool = False
    mixing_image_prompt_and_inpaint: bool = False
    debugging_cn_preprocessor: bool = False
    skipping_cn_preprocessor: bool = False
    canny_low_threshold: Threshold = 64
    canny_high_threshold: Threshold = 128
    refiner_swap_method: str = "joint"
    controlnet_softness: Share = 0.25
    freeu_enabled: bool = False
    freeu_b1: float = 1.01
    freeu_b2: float = 1.02
    freeu_s1: float = 0.99
    freeu_s2: float = 0.95
    debugging_inpaint_preprocessor: bool = False
    inpaint_disable_initial_latent: bool = False
    inpaint_engine: str = "v2.6"
    inpaint_strength: Share = 1.0
    inpaint_respective_field: Share = 1.0
    inpaint_advanced_masking_checkbox: bool = True
    inpaint_mask_upload_checkbox: bool = False
    invert_mask_checkbox: bool = False
    inpaint_erode_or_dilate: Growth = 0
    black_out_nsfw: bool = False
    debugging_dino: bool = False
    dino_erode_or_dilate: Growth = 0
    debugging_enhance_masks_checkbox: bool = False


class TextToImage(Lenient):
    """What every generation may ask for."""

    prompt: str = ""
    negative_prompt: str = ""
    style_selections: list[str] = Field(default_factory=lambda: list(DEFAULT_STYLES))
    performance_selection: Performance = "Speed"
    aspect_ratios_selection: str = "1152*896"
    image_number: int = Field(1, ge=1, le=32)
    image_seed: int = Field(-1, description="-1, or anything outside 0..2^63-1, draws a random one.")
    sharpness: float = Field(2.0, ge=0, le=30)
    guidance_scale: float = Field(4.0, ge=1, le=30)
    base_model_name: str = DEFAULT_MODEL
    refiner_model_name: str = "None"
    refiner_switch: float = Field(0.5, ge=0.1, le=1)
    loras: list[Lora] = Field(default_factory=lambda: [Lora.model_validate(DEFAULT_LORA)])
    advanced_params: AdvancedParams = Field(default_factory=lambda: AdvancedParams.model_validate({}))
    save_meta: bool = True
    meta_scheme: Literal["fooocus", "a1111", "a111"] = "fooocus"
    save_extension: str = "png"
    save_name: str = ""
    read_wildcards_in_order: bool = False
    require_base64: bool = False
    async_process: bool = False
    webhook_url: str | None = ""


class ControlPicture(Lenient):
    """A picture that steers the result; stop and weight of 0 or null are the usual ones of the type."""

    cn_img: str | None = None
    cn_stop: float | None = Field(None, ge=0, le=1)
    cn_weight: float | None = Field(None, ge=0, le=2)
    cn_type: ControlType = "ImagePrompt"


class TextToImageWithPictures(TextToImage):
    """v2 text-to-image-with-ip."""

    image_prompts: list[ControlPicture] = Field(default_factory=list)


class UpscaleVary(TextToImageWithPictures):
    """v2 image-upscale-vary; the picture is base64 or an address."""

    input_image: str
    uov_method: UpscaleOrVary = "Upscale (2x)"
    upscale_value: float | None = Field(None, ge=1, le=5)


class Inpaint(TextToImageWithPictures):
    """v2 image-inpaint-outpaint."""

    input_image: str | None = ""
    input_mask: str | None = ""
    inpaint_additional_prompt: str | None = ""
    outpaint_selections: list[Side] = Field(default_factory=list)
    outpaint_distance_left: int = -1
    outpaint_distance_right: int = -1
    outpaint_distance_top: int = -1
    outpaint_distance_bottom: int = -1


class PicturePrompt(Inpaint):
    """v2 image-prompt."""

    image_prompts: list[ControlPicture]


class EnhancePass(Lenient):
    """One thing to find in the picture and to improve."""

    enhance_enabled: bool = False
    enhance_mask_dino_prompt: str = "face"
    enhance_prompt: str = ""
    enhance_negative_prompt: str = ""
    enhance_mask_model: MaskModel = "sam"
    enhance_mask_cloth_category: ClothCategory = "full"
    enhance_mask_sam_model: SamModel = "vit_b"
    enhance_mask_text_threshold: Share = 0.25
    enhance_mask_box_threshold: Share = 0.3
    enhance_mask_sam_max_detections: int = Field(0, ge=0, le=10)
    enhance_inpaint_disable_initial_latent: bool = False
    enhance_inpaint_engine: str = "v2.6"
    enhance_inpaint_strength: Share = 1.0
    enhance_inpaint_respective_field: Share = 0.618
    enhance_inpaint_erode_or_dilate: Growth = 0
    enhance_mask_invert: bool = False


class EnhanceBase(TextToImage):
    """What both versions of image-enhance have."""

    enhance_checkbox: bool = True
    enhance_uov_method: UpscaleOrVary = "Vary (Strong)"
    enhance_uov_processing_order: EnhanceOrder = "Before First Enhancement"
    enhance_uov_prompt_type: EnhancePrompts = "Original Prompts"
    save_final_enhanced_image_only: bool = True


class Enhance(EnhanceBase):
    """v2 image-enhance."""

    enhance_input_image: str
    enhance_ctrlnets: list[EnhancePass]


# --- replies

FinishReason = Literal["SUCCESS", "QUEUE_IS_FULL", "USER_CANCEL", "ERROR"]


class Generated(BaseModel):
    """One picture; `base64` with its data prefix where it was asked for, the seed as text."""

    base64: str | None
    url: str | None
    seed: str
    finish_reason: FinishReason


class JobState(BaseModel):
    """A job as query-job and asynchronous calls tell it; the preview is raw base64 of a PNG."""

    job_id: str
    job_type: Literal[
        "Text to Image", "Image Upscale or Variation", "Image Inpaint or Outpaint", "Image Prompt",
        "Image Enhancement", "Not Found",
    ]  # fmt: skip
    job_stage: Literal["WAITING", "RUNNING", "SUCCESS", "ERROR"]
    job_progress: int
    job_status: str | None
    job_step_preview: str | None
    job_result: list[Generated] | None


class QueueState(BaseModel):
    """How many jobs there are."""

    running_size: int
    finished_size: int
    last_job_id: str | None


class JobTimes(BaseModel):
    """A job in the lists of job-history, times in milliseconds since 1970 (0: not yet)."""

    job_id: str
    in_queue_mills: int
    start_mills: int
    finish_mills: int
    is_finished: bool


class JobRecord(BaseModel):
    """A job in the persistent history."""

    params: dict[str, Any]
    task_info: dict[str, Any]


class JobHistory(BaseModel):
    """Waiting and running jobs, and those that have ended."""

    queue: list[JobTimes]
    history: list[JobTimes | JobRecord]


class Message(BaseModel):
    """What became of a deletion."""

    message: str


class Stopped(BaseModel):
    """The answer of stop."""

    msg: Literal["success"]


class Description(BaseModel):
    """What a picture shows."""

    describe: str


class Refusal(BaseModel):
    """Why a request was refused: a sentence, or an entry for each field."""

    detail: str | list[dict[str, Any]]
