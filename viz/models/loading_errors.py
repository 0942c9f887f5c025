"""Why a model could not be loaded, in one sentence, whatever library said it and how."""

from __future__ import annotations

from collections.abc import Iterator

from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError

from viz.errors import LoupeError, ModelError, ModelNotFoundError, ModelRefusedError
from viz.models.name_suggestion import other_models

NO_NETWORK = ("couldn't connect", "connection error", "offline mode", "cannot find the requested")
NO_SAFETENSORS = ("model.safetensors", "safetensors")


def explain(error: Exception, name: str, revision: str | None) -> LoupeError:
    """Turn what a library raised while loading into an error of ours."""
    causes = list(_causes(error))
    text = " ".join(str(cause) for cause in causes).lower()
    at = f" at revision {revision!r}" if revision else ""

    def among(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if among(GatedRepoError):
        return ModelRefusedError(
            f"{name} is gated on Hugging Face.",
            "Accept its terms there and set HF_TOKEN, or choose another model.",
        )
    if among(RevisionNotFoundError):
        return ModelNotFoundError(
            f"{name} has no revision {revision!r}.", "Leave it empty for the main branch."
        )
    if among(LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError):
        return _unreachable(name, at)
    if among(RepositoryNotFoundError):
        return ModelNotFoundError(
            f"Hugging Face has no model {name}, or it is private.",
            f"Check the spelling; for a private model set HF_TOKEN. {other_models(name)}",
        )
    if among(HFValidationError):
        return ModelNotFoundError(
            f"{name!r} is no Hugging Face id.", f"Ids look like owner/name. {other_models(name)}"
        )
    if any(words in text for words in NO_NETWORK):
        return _unreachable(name, at)
    if "trust_remote_code" in text or "custom code" in text:
        return ModelRefusedError(
            f"{name} brings code of its own, which is never run here.",
            "Choose a model that the installed transformers knows.",
        )
    if among(SafetensorError):
        return ModelError(
            f"The weights of {name}{at} are damaged: {_first_line(error)}.", "Fetch them again."
        )
    if any(words in text for words in NO_SAFETENSORS):
        return ModelRefusedError(
            f"{name}{at} has no safetensors weights; pickled ones can run code and are not loaded.",
            "Choose a revision or a model with safetensors.",
        )
    return ModelError(f"{name}{at} could not be loaded: {_first_line(error)}", "Check its files.")


def _unreachable(name: str, at: str) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"{name}{at} is not on this machine, and Hugging Face cannot be reached.",
        f"Check the name, or connect to the network. {other_models(name)}",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Walk from an error to what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
