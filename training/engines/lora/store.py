"""Which model name means which base and which adapter. One base in memory per name; adapters come and go."""

import gc
import json
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from served_files import served
from served_files.fetching import StorageAway, fetch
from transformers import PreTrainedTokenizerBase

from lora.adapters import Adapter, read_adapter
from lora.base_model import choose_hardware, context_length, load_base, load_tokenizer
from lora.decoding import CHUNK, Decoder
from lora.events import EngineError
from lora.templates import ChatTemplate, end_token_ids, settled_template, template_of

log = logging.getLogger(__name__)
RUN_NAME = re.compile(r"run-([A-Za-z0-9][A-Za-z0-9_-]*)")
DEFAULT_CONTEXT = 2048


class UnknownModel(Exception):
    """No base and no finished run has this name."""


@dataclass(frozen=True)
class Base:
    """One base model, ready to answer."""

    tokenizer: PreTrainedTokenizerBase
    template: ChatTemplate
    decoder: Decoder
    context: int
    size: int  # bytes of its weights


@dataclass(frozen=True)
class Model:
    """What a model name stands for: a base, perhaps with an adapter, and the template to ask it with."""

    base: Base
    adapter: Adapter | None
    template: ChatTemplate


@dataclass(frozen=True)
class Limits:
    """How much the server takes on: people in one batch, adapters in memory, bytes of base models in memory, tokens of
    prompts read between two steps."""

    batch: int
    adapters: int
    base_bytes: int = 1 << 62
    chunk: int = CHUNK


class ModelStore:
    """Loads what is asked for. `open` may be called from any thread and may take the seconds a base needs to load."""

    def __init__(
        self,
        bases: Mapping[str, str],
        runs_root: Path,
        limits: Limits,
        *,
        base_list: Path | None = None,
        fetch_from: Path | None = None,
    ) -> None:
        """`base_list`: a JSON file {name: folder or id} of more bases; it may change while the server runs. `fetch_from`: the
        socket at which the platform brings a run's files to this host."""
        self._fetch_from = fetch_from
        self._paths, self._runs_root, self._limits = dict(bases), runs_root, limits
        self._base_list = base_list
        self._bases: OrderedDict[str, Base] = (
            OrderedDict()
        )  # by their weights' place, the one asked last at the end
        self._adapters: OrderedDict[str, tuple[tuple[int, ...], Adapter]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def active(self) -> int:
        """People being answered or waiting, on all bases."""
        return sum(base.decoder.active for base in list(self._bases.values()))

    def names(self) -> list[str]:
        """All names that can be asked for: the bases, then every run that has left an adapter."""
        runs = sorted(
            folder.parent.name for folder in self._runs_root.glob("*/adapter") if folder.is_dir()
        )
        return [
            *self._paths,
            *(f"run-{key}" for key in runs if RUN_NAME.fullmatch(f"run-{key}")),
        ]

    def loaded(self) -> frozenset[str]:
        """Names of the bases in memory."""
        return frozenset(self._bases)

    def open(self, name: str) -> Model:
        """Raises UnknownModel, or EngineError where the model is known but can't be served."""
        with self._lock:
            self._read_base_list()
            if name in self._paths:
                base = self._base(name)
                return Model(base, None, base.template)
            run = RUN_NAME.fullmatch(name)
            folder = self._folder(run[1]) if run else None
            if (
                folder is None
                or not folder.is_dir()
                or any(file.is_symlink() for file in folder.iterdir())
            ):
                raise UnknownModel(name)
            adapter, base = self._adapter(name, folder)
            source = adapter.template or base.template.source
            return Model(base, adapter, settled_template(source, base.template.special_tokens))

    def _folder(self, key: str) -> Path | None:
        """Of a run's adapter, which the platform brings here where another host made it."""
        folder = served(self._runs_root, key, "adapter")
        if folder is None or folder.is_dir():
            return folder
        try:
            return folder if fetch(self._fetch_from, key) else None
        except StorageAway as away:
            raise EngineError("storage_away", str(away), "Try again in some minutes.") from away

    def _read_base_list(self) -> None:
        """Bases that were added since; one that the server was started with keeps its place."""
        if self._base_list is None or not self._base_list.is_file():
            return
        try:
            listed = json.loads(self._base_list.read_bytes())
        except ValueError:
            log.exception("%s is not JSON; the bases in it are not served", self._base_list)
            return
        self._paths = {**{str(name): str(path) for name, path in listed.items()}, **self._paths}

    def _base(self, name: str) -> Base:
        path = self._paths[name]
        place = str(Path(path).resolve()) if Path(path).is_dir() else path
        if place not in self._bases:
            self._make_room(_size_on_disk(path))
            log.info("loading base model %s", name)
            self._bases[place] = self._load(path)
        self._bases.move_to_end(place)
        self._make_room(0)
        return self._bases[place]

    def _load(self, path: str) -> Base:
        tokenizer = load_tokenizer(path)
        template = template_of(tokenizer)
        model = load_base(path, choose_hardware("auto"))
        configured = model.generation_config.eos_token_id if model.generation_config else None
        ends = end_token_ids(tokenizer, template, configured)
        decoder = Decoder(model, ends, self._limits.batch, self._limits.chunk)
        size = sum(weight.numel() * weight.element_size() for weight in model.parameters())
        return Base(tokenizer, template, decoder, context_length(model) or DEFAULT_CONTEXT, size)

    def _make_room(self, wanted: int) -> None:
        """Put away the bases that nobody asked for the longest, until there is room for `wanted` bytes more. One that is
        answering stays, and so does the newest: the machine is then asked for more than the limit, and only then."""
        newest = next(reversed(self._bases), None) if not wanted else None
        for place in list(self._bases):
            used = sum(base.size for base in self._bases.values())
            if used + wanted <= self._limits.base_bytes:
                return
            if place != newest and self._bases[place].decoder.close():
                log.info("putting away the base model in %s", place)
                del self._bases[place]
                gc.collect()  # hooks and modules hold each other

    def _adapter(self, name: str, folder: Path) -> tuple[Adapter, Base]:
        """From memory, unless the folder has been replaced since."""
        written = _signature(folder)
        kept = self._adapters.get(name)
        if kept is None or kept[0] != written:
            base = self._base(self._base_name(folder))
            adapter = read_adapter(folder, base.decoder.model.device)
            base.decoder.mixer.check(adapter)
            self._adapters[name] = (written, adapter)
        self._adapters.move_to_end(name)
        while len(self._adapters) > self._limits.adapters:
            self._adapters.popitem(last=False)
        return self._adapters[name][1], self._base(self._base_name(folder))

    def _base_name(self, folder: Path) -> str:
        """As the platform wrote beside the adapter; else by the path or name in it; else by the folder's own name, since a
        checkout may have moved since the run."""
        if (named := _named_beside(folder)) in self._paths:
            return named
        try:
            trained_on = str(
                json.loads((folder / "adapter_config.json").read_bytes())[
                    "base_model_name_or_path"
                ]
            )
        except (OSError, ValueError, KeyError, TypeError) as broken:
            raise EngineError(
                "adapter_unusable", f"{folder} names no base model: {broken}", "Train it again."
            ) from broken
        for name, path in self._paths.items():
            if trained_on in (name, path) or Path(trained_on).resolve() == Path(path).resolve():
                return name
        for name, path in self._paths.items():
            if Path(trained_on).name in (name, Path(path).name):
                return name
        raise EngineError(
            "base_not_served",
            f"this run was trained on {trained_on}, which the model server was not started with",
            f"Start lora.serve with --base NAME={trained_on}.",
        )


def _named_beside(folder: Path) -> str:
    """The base's name in the run's `base.json`; empty where there is none."""
    try:
        return str(json.loads((folder.parent / "base.json").read_bytes())["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _size_on_disk(path: str) -> int:
    """About what a base will take: on a processor its half-precision weights are held in full. 0 where nobody knows yet."""
    if not Path(path).is_dir():
        return 0
    return 2 * sum(file.stat().st_size for file in Path(path).glob("*.safetensors"))


def _signature(folder: Path) -> tuple[int, ...]:
    stats = [
        (folder / name).stat() for name in ("adapter_config.json", "adapter_model.safetensors")
    ]
    return tuple(
        number for stat in stats for number in (stat.st_mtime_ns, stat.st_ino, stat.st_size)
    )
