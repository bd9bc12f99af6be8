"""Weight sync: bringing new weights to servers, whose answers prove which weights they came from."""

from __future__ import annotations

import contextlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from peft import PeftModel, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from pytorch_lightning.utilities.rank_zero import rank_zero_info
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel
from transformers.utils import logging

from rlframework.policies.base import Policy
from rlframework.policies.saving import portable_adapter
from rlframework.samplers.vllm.client import Server
from rlframework.samplers.vllm.disguise import disguised, unfit
from rlframework.samplers.vllm.errors import (
    BadAnswerError,
    ForgottenWeightsError,
    LoadingError,
    ServerError,
    StaleWeightsError,
    UnavailableError,
    UnseenWeightsError,
    shown,
)
from rlframework.utilities.distributed import global_rank, is_sharded

# What vLLM 0.32 says of an adapter and of a model whose folder, or the weights in it, are not there.
_UNSEEN = (
    "No adapter found",
    "doesn't contain tensors",
    "Repo id must be in the form",
    "Cannot find any model weights",
)


class WeightSync(ABC):
    """Brings the weights of a policy to servers, through a folder that both sides can read.

    Override `save`, `load` and `model`, and `verify` if the name that an answer carries does not prove the weights.
    Every rank calls `save`, one of them `load`. A version is the `fingerprint` of the weights.

    Attributes:
        kept_folders: Folders of earlier weights that a server may still want to read.
        side_by_side: True states that a server answers from several versions at once, each under a name of its own.
        brings: False states that a server keeps the weights that it was started with; None are altered to see that it
            takes them.
        sharpness: What the logits of the weights that were saved last are multiplied by, on purpose; requests
            multiply the temperature, too.

    Example:
        One for weights that never change, as a teacher's:

        >>> class Fixed(WeightSync):
        ...     brings = False
        ...     def save(self, policy, folder): ...
        ...     def load(self, server, folder, version): ...
        ...     def model(self, server, version):
        ...         return server.base_model()
        >>> Fixed().model(Server("http://127.0.0.1:8000", timeout=5, model="teacher"), "policy-0")
        'teacher'
    """

    kept_folders: int = 0
    side_by_side: bool = False
    brings: bool = True
    sharpness: float = 1.0

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for old, new in (("vouch", "verify"), ("keeps", "kept_folders")):
            if old in vars(cls):
                message = f"{cls.__name__}.{old} is called {new} now; the old name goes with version 0.2"
                warnings.warn(message, DeprecationWarning, stacklevel=3)  # between here and the class is ABCMeta
                setattr(cls, new, vars(cls)[old])
            elif new in vars(cls):
                setattr(cls, old, vars(cls)[new])  # for a super().vouch() below

    def shows(self, policy: Policy) -> bool:
        """Return whether each loading shows by itself that all weights arrived; else altered ones are loaded once."""
        return not self.brings

    def hint(self, policy: Policy) -> str:
        """Return the likeliest cause of a server's answers that are not this policy's, and the way out."""
        return ""

    @abstractmethod
    def save(self, policy: Policy, folder: Path) -> None:
        """Write the weights into an empty folder; on other ranks than the first, take part where shards are gathered.

        Args:
            policy: With the weights it has now.
            folder: Empty; the servers can read it.

        Raises:
            TypeError: This kind of policy cannot be brought over in this way.
        """

    @abstractmethod
    def load(self, server: Server, folder: Path, version: str) -> None:
        """Have a server read the folder.

        Args:
            server: The server.
            folder: As `save` filled it.
            version: Of the weights.

        Raises:
            UnseenWeightsError: It does not see the folder; it is asked again for a while.
            ServerError: It does not.
        """

    @abstractmethod
    def model(self, server: Server, version: str) -> str:
        """Return the model name that requests ask for, and that answers have to carry.

        Args:
            server: The server.
            version: Of the weights.
        """

    def room(self, server: Server) -> int | None:
        """Return how many versions a server answers from at once; None if it does not tell.

        Args:
            server: The server.
        """
        return None if self.side_by_side else 1

    def unload(self, server: Server, version: str) -> None:
        """Have a server unload weights that are no longer needed; by default they were overwritten.

        Args:
            server: The server.
            version: Of the weights that are no longer needed.
        """
        return

    def verify(self, server: Server, version: str) -> None:
        """Refuse a server that has other weights; called before and after every request.

        Args:
            server: The server.
            version: Of the weights that it has to have.

        Raises:
            ForgottenWeightsError: It has been restarted.
            LoadingError: It is being given these.
            StaleWeightsError: It has weights of somebody else.
        """
        return

    vouch = verify


class LoRASync(WeightSync):
    """Loads the adapter under a name that holds its version: an answer that carries the name comes from these weights.

    The server needs ``--enable-lora``, a ``--max-lora-rank`` of at least the adapter's, and
    ``VLLM_ALLOW_RUNTIME_LORA_UPDATING=True``. It caches prefixes by the same name, so none outlives its weights.
    """

    # A request that was given up may run on, and its adapter be read again if others pushed it out.
    kept_folders = 1
    side_by_side = True

    def room(self, server: Server) -> int | None:
        """Return how many adapters the server answers from at once (``--max-loras``); None if it does not tell."""
        try:
            info = server.ask("GET", "/server_info?config_format=json")
            return int(info["vllm_config"]["lora_config"]["max_loras"])
        except (ServerError, KeyError, TypeError, ValueError):
            return None

    def save(self, policy: Policy, folder: Path) -> None:
        """Write ``adapter_config.json`` and ``adapter_model.safetensors``, for the model that the server has.

        Where the adapter's initialisation rewrote the policy's model (PiSSA, OLoRA), this takes twice the rank.

        Raises:
            TypeError: The policy has no adapter, or one that vLLM cannot serve.
        """
        model: Any = getattr(policy, "model", None)
        if not isinstance(model, PeftModel):
            raise TypeError(
                f"LoRASync brings adapters over, and the model of this {type(policy).__name__} is a "
                f"{type(model).__name__} without one; use DiskSync, or give the policy lora=LoraConfig(...)"
            )
        config, weights = portable_adapter(model)
        adapter = model.active_adapter
        state = get_peft_model_state_dict(model, state_dict=weights, adapter_name=adapter, save_embedding_layers=False)
        if reason := _unserved(model, state):
            raise TypeError(
                f"LoRASync cannot bring this adapter to vLLM: {reason}. Train one of linear layers, of one rank, or "
                "sample in the training process (SharedPrefixSampler)"
            )
        whole = {name: _whole(tensor) for name, tensor in state.items()}
        if global_rank().number == 0:
            config.save_pretrained(str(folder))
            save_file(whole, folder / "adapter_model.safetensors")

    def load(self, server: Server, folder: Path, version: str) -> None:
        """Load the adapter, instead of one that has its name: that had the same weights, in a folder that may be gone.

        Never ``load_inplace``: vLLM 0.32 then reads the folder again in every step of its engine, and dies when it
        cannot.
        """
        body = {"lora_name": version, "lora_path": str(folder)}
        try:
            try:
                server.ask("POST", "/v1/load_lora_adapter", body)
            except ServerError as error:
                if "already been loaded" not in str(error):
                    raise
                self.unload(server, version)
                server.ask("POST", "/v1/load_lora_adapter", body)
        except (UnavailableError, BadAnswerError):
            raise
        except ServerError as error:
            raise _not_loaded(
                error,
                folder,
                "be started with --enable-lora, --max-lora-rank of at least the adapter's rank and "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True",
            ) from error

    def unload(self, server: Server, version: str) -> None:
        """Unload the adapter; a server that has not got it has nothing to do."""
        with contextlib.suppress(ServerError):
            server.ask("POST", "/v1/unload_lora_adapter", {"lora_name": version})

    def model(self, server: Server, version: str) -> str:
        """Return the version, which is the adapter's name on the server."""
        return version


class DiskSync(WeightSync):
    """Has the server reload the whole model, while it waits, and write the version on it.

    What is written is the model in another disguise each time, where there is one for its architecture (`disguised`): a
    server that keeps any of the weights before answers nonsense, and the canary sees it in 16 bits as well.

    The server needs ``VLLM_SERVER_DEV_MODE=1``. Answers of ``/v1/completions`` carry no version of whole weights, so
    the server is asked for it before and after each request.
    """

    # What vLLM calls the weights that it was started with.
    _AT_START = "default"

    def __init__(self) -> None:
        self._saved = 0
        self._told = False

    def shows(self, policy: Policy) -> bool:
        """Return whether the model has a disguise."""
        model = self._model(policy)
        reason = unfit(model.config, model.state_dict())
        if reason and not self._told:
            self._told = True
            rank_zero_info(
                f"The weights that servers are given wear no disguise: {reason}. They are altered once instead."
            )
        return reason is None

    def hint(self, policy: Policy) -> str:
        """Say what a server on a CPU does to a tied output layer."""
        if not self._model(policy).config.get_text_config().tie_word_embeddings:
            return ""
        return (
            "The output layer of this model is tied to its embeddings, and the server seems to have kept the one that "
            "it was started with, as vLLM does on a CPU: train an adapter (lora=LoraConfig(...)), which arrives, or "
            "untie the model and start the server with that. "
        )

    def save(self, policy: Policy, folder: Path) -> None:
        """Write the model as transformers does, in a new disguise if it has one.

        Raises:
            TypeError: The policy's model is none of transformers, or has an adapter.
        """
        model = self._model(policy)
        state = {name: _whole(tensor) for name, tensor in model.state_dict().items()} if is_sharded(policy) else None
        if self.shows(policy):
            # Never 1, which is what a server starts with, never what it was before, and never above 1: vLLM takes no
            # temperature above 2.
            self.sharpness = (0.5, 0.25)[self._saved % 2]
            if global_rank().number == 0:
                state = disguised(state or model.state_dict(), model.config, self._saved, self.sharpness)
            self._saved += 1
        if global_rank().number == 0:
            with _without_progress_bar():
                model.save_pretrained(folder, state_dict=state)

    @staticmethod
    def _model(policy: Policy) -> PreTrainedModel:
        model: Any = getattr(policy, "model", None)
        model = getattr(model, "_orig_mod", model)
        if not isinstance(model, PreTrainedModel):
            raise TypeError(
                f"DiskSync brings whole transformers models over, and this {type(policy).__name__} has a "
                f"{type(model).__name__}; for an adapter use LoRASync"
            )
        return model

    def load(self, server: Server, folder: Path, version: str) -> None:
        """Pause, reload, forget cached prefixes, write the version, resume."""
        try:
            server.ask("POST", "/pause?mode=wait")
            try:
                # Were this process to die in here, no version would be on what it leaves.
                server.ask("POST", "/update_weight_version", {"new_version": _half(version)})
                rpc = {"method": "reload_weights", "kwargs": {"weights_path": str(folder)}}
                server.ask("POST", "/collective_rpc", rpc)
                server.ask("POST", "/reset_prefix_cache")
                server.ask("POST", "/update_weight_version", {"new_version": version})
            finally:
                server.ask("POST", "/resume")
        except (UnavailableError, BadAnswerError):
            raise
        except ServerError as error:
            needs = "serve a model of this architecture, and be started with VLLM_SERVER_DEV_MODE=1"
            raise _not_loaded(error, folder, needs) from error

    def model(self, server: Server, version: str) -> str:
        """Return the name of the base model."""
        return server.base_model()

    def verify(self, server: Server, version: str) -> None:
        """Ask the server which version is on its weights, and refuse another one."""
        info = server.ask("GET", "/weight_info")
        found = info.get("weight_version") if isinstance(info, dict) else None
        if not isinstance(found, str):
            raise BadAnswerError(f"{server.url} answered GET /weight_info with {shown(info)}, which names no weights")
        if found == self._AT_START:
            raise ForgottenWeightsError(f"{server.url} runs with the weights that it was started with")
        if found == _half(version):
            raise LoadingError(f"{server.url} is being given {version} by another process", 200)
        if found != version:
            raise StaleWeightsError(
                f"{server.url} has weights {found} where {version} were loaded: its answers are refused. Does another "
                "run load weights into it? Give each run its own servers"
            )


def _unserved(model: Any, state: Mapping[str, Tensor]) -> str | None:
    """Return why vLLM would serve another policy than an adapter makes of its model; None if it serves this one."""
    strange = [name for name in state if not name.endswith((".lora_A.weight", ".lora_B.weight"))]
    if strange:
        return f"vLLM reads lora_A and lora_B of linear layers, and {len(strange)} weights are none, as {strange[0]}"
    layers = [part for part in model.modules() if isinstance(part, LoraLayer) and model.active_adapter in part.r]
    sizes = {(layer.r[model.active_adapter], layer.scaling[model.active_adapter]) for layer in layers}
    if len(sizes) > 1:
        return (
            "vLLM reads one rank and one lora_alpha, and layers have ranks and scales of their own (rank_pattern, "
            f"alpha_pattern): {', '.join(f'{rank} and {scale:g}' for rank, scale in sorted(sizes))}"
        )
    ends = (model.get_base_model().get_input_embeddings(), model.get_base_model().get_output_embeddings())
    if model.config.get_text_config().tie_word_embeddings and any(isinstance(end, LoraLayer) for end in ends):
        return "its embedding or head is adapted, and a server ties these to one another (tie_word_embeddings)"
    return None


def _not_loaded(error: ServerError, folder: Path, needs: str) -> ServerError:
    """Return the error of a server that did not load a folder, of a kind of its own where it did not see it."""
    kind = UnseenWeightsError if any(text in str(error) for text in _UNSEEN) else ServerError
    return kind(f"{error}. The server must be able to read {folder} (sync_folder=...), and {needs}", error.status)


def _half(version: str) -> str:
    """Return the version of weights of which the last has not been read yet."""
    return f"loading-{version}"


def sync_for(policy: Policy) -> WeightSync:
    """Return the sync for a policy: of its adapter if it has one, else of all weights."""
    return LoRASync() if isinstance(getattr(policy, "model", None), PeftModel) else DiskSync()


@contextlib.contextmanager
def _without_progress_bar() -> Iterator[None]:
    """Hide transformers' progress bar, which every optimizer step would show."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _whole(tensor: Tensor) -> Tensor:
    """Return a tensor on the CPU, gathered if ranks hold parts of it."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().cpu().contiguous()
