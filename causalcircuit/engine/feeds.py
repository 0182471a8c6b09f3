"""What feeds each model in each world, row by row, and where positions stand on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from causalcircuit.diagnostics import Diagnostic, Span
from causalcircuit.engine.chats import chat_note, chat_texts, fed_by
from causalcircuit.engine.numbers import numbers_of
from causalcircuit.engine.problems import Problems
from causalcircuit.models import (
    Ground,
    LoadedModel,
    Pictures,
    Prompt,
    RowError,
    check_image,
    check_sound,
    has_template,
    illustrated,
    open_image,
    resolve,
    tokenize,
)
from causalcircuit.query import (
    Chat,
    Column,
    Counterfactual,
    Expr,
    Input,
    Position,
    SiteInfo,
    Text,
    Tower,
    is_text,
    render,
)
from causalcircuit.query.plan import Run
from causalcircuit.rows import Dataset

# The data statement's words for a model's inputs, and the columns that feed them unless it says otherwise.
_KEY = {"input": "prompt", "image": "image", "audio": "audio", "prefix": "prefix"}
_DEFAULT = {"input": ("prompt", "text"), "image": ("image",), "audio": ("audio",), "prefix": ("prefix",)}

Places = list[tuple[int, ...] | None]
"""For each row the positions, or `None` where they could not be found (a problem is kept then)."""


Said = Callable[[Counterfactual], Sequence[str]]
"""The text that a model has written on each row."""


class Feeds:
    """Prompts, images and positions of all rows, each worked out once."""

    def __init__(self, data: Dataset, problems: Problems, said: Said | None = None) -> None:
        """Feed from `data`, and texts that models write from `said`; what is wrong goes to `problems`."""
        self.data, self.problems, self._said = data, problems, said
        self._prompts: dict[tuple[str, str, Expr, Expr | None], list[Prompt | None]] = {}
        self._images: dict[tuple[str, Expr], list[Path | None]] = {}
        self._places: dict[tuple[str, str, Position, Expr | None, Expr | None], Places] = {}
        self._masks: dict[tuple[str, str, Path, Path], tuple[bool | None, ...]] = {}
        self._pictures: dict[str, Pictures] = {}

    def expr(self, model: LoadedModel, run: Run, channel: str) -> Expr | None:
        """The column or string that feeds `channel` in a world; `None` (and a problem) where nothing does."""
        for target, value in zip(run.targets, run.values, strict=True):
            if isinstance(target, Input) and target.channel == channel:
                return self._asked(model, channel, value, run.world.span)
        if model.ref.inputs is not None:
            return model.ref.inputs
        chat = self._chat(model, channel)
        declared = dict(self.data.ref.feeds).get(_KEY[channel]) if chat is None else chat
        if declared is not None:
            return declared
        for name in _DEFAULT[channel]:
            if name in self.data.columns:
                return Column(name)
        if channel == "prefix":
            return Text("")
        world = "the factual world" if run.world.factual else f"the world `{render(run.world)}`"
        self.problems.all_rows(
            RowError(
                "CQ305",
                f"nothing feeds `{model.ref.name}.{channel}` in {world}",
                "",
                f"let the data say `with {_KEY[channel]} = row.…`, or ask in a world that assigns "
                f"`{model.ref.name}.{channel}`",
            ),
            run.world.span,
        )
        return None

    def prompts(self, model: LoadedModel, run: Run, channel: str | None = None) -> list[Prompt | None] | None:
        """A text of each row as tokens, that of the logits unless `channel` says; `None` for a model without it."""
        channel = channel or model.text_channel
        if channel is None:
            return None
        source = self.expr(model, run, channel)
        if source is None:
            return [None] * self.data.n
        # The tokens of an image stand in the text of a vision-language model, so that its prompts depend on both.
        image = self.expr(model, run, "image") if model.sites.projector else None
        images = self.images(model, run) if model.sites.projector else None
        key = (model.ref.name, channel, source, image)
        if key not in self._prompts:
            texts = (
                chat_texts(model, source, self._strings, self.problems, self.data.n)
                if isinstance(source, Chat)
                else self._strings(source, f"{model.ref.name}.{channel}")
            )
            known: dict[tuple[str, Path | None], Prompt] = {}
            found: list[Prompt | None] = [None] * self.data.n
            for i, text in enumerate(texts):
                path = None if images is None else images[i]
                if text is None or (images is not None and path is None):
                    continue
                with self.problems.at(i, source.span):
                    found[i] = known.get((text, path)) or known.setdefault(
                        (text, path), _read(model, channel, text, path, chat=isinstance(source, Chat))
                    )
            self._prompts[key] = found
        return self._prompts[key]

    def _chat(self, model: LoadedModel, channel: str) -> Chat | None:
        """The chat that feeds a model with a template."""
        chat = dict(self.data.ref.feeds).get("chat") if channel == "input" else None
        return chat if isinstance(chat, Chat) and chat.turns and has_template(model) else None

    def _asked(self, model: LoadedModel, channel: str, value: Expr, span: Span | None) -> Expr | None:
        """What an assignment feeds: in a chat it takes the place of the chat's column."""
        chat = self._chat(model, channel)
        if chat is None:
            return value
        if chat.column is None:
            what = f"`do({model.ref.name}.input = …)` takes the place of the chat's column, and it has no single one"
            help = "join what differs between worlds in one column of the data, and let the chat name that one"
            self.problems.all_rows(RowError("CQ467", what, "", help), span)
            return None
        return chat.asking(value)

    def images(self, model: LoadedModel, run: Run) -> list[Path | None] | None:
        """The image or sound file of each row, known to be readable; `None` for a model that takes neither."""
        if model.ref.net is not None:
            return self._numbers(model, run)
        channel = next((c for c in ("image", "audio") if c in model.sites.channels), None)
        if channel is None:
            return None
        source = self.expr(model, run, channel)
        if source is None:
            return [None] * self.data.n
        key = (model.ref.name, source)
        if key not in self._images:
            found: list[Path | None] = [None] * self.data.n
            for i, text in enumerate(self._strings(source, f"{model.ref.name}.{channel}")):
                with self.problems.at(i, source.span):
                    if text is not None:
                        path = self.data.resolve(text)
                        if channel == "audio":
                            check_sound(model, path)
                        else:
                            check_image(path)
                        found[i] = path
            self._images[key] = found
        return self._images[key]

    def _numbers(self, model: LoadedModel, run: Run) -> list[Any]:
        """What feeds a network in each row."""
        source = self.expr(model, run, "input")
        return [None] * self.data.n if source is None else numbers_of(model.ref, source, self.data, self.problems)

    def places(self, model: LoadedModel, run: Run, position: Position, tower: Tower, span: Span | None) -> Places:
        """The positions that `position` means on a tower, row by row, in the prompt or image of this world."""
        return self._on(model, run, position, tower, tower.name, span)

    def _on(
        self, model: LoadedModel, run: Run, position: Position, tower: Tower, stand: str, span: Span | None
    ) -> Places:
        text = tower.modality == "text"
        source = self.expr(model, run, model.sites.channel(tower))
        image = self.expr(model, run, "image") if text and model.sites.projector else None
        key = (model.ref.name, stand, position, source, image)
        if key not in self._places:
            found: Places = [None] * self.data.n
            prompts = self.prompts(model, run, model.sites.channel(tower)) if text else None
            images = self.images(model, run) if model.sites.projector or not text else None
            for i in range(self.data.n):
                with self.problems.at(i, span):
                    ground = self._ground(model, tower, stand, source, prompts, images, i)
                    if ground is not None:
                        found[i] = resolve(position, ground)
            self._places[key] = found
        return self._places[key]

    def notes(self) -> Iterator[Diagnostic]:
        """One prompt of each model that is fed a chat; how many patches each mask position holds, over the rows."""
        known = reversed(self._prompts.items())
        chats = {key[0]: prompts for key, prompts in known if isinstance(key[2], Chat)}
        for model, prompts in reversed(chats.items()):
            yield from chat_note(model, prompts)
        for (model, stand, position, _, image), places in self._places.items():
            counts = [len(p) for p in places if p is not None]
            if position.kind in ("inside", "outside") and counts:
                low, high = min(counts), max(counts)
                shown = str(low) if low == high else f"{low} to {high}"
                where = f"{model}.{stand}" if stand else model
                what = "patches" if image is None else "image tokens"
                yield Diagnostic("CQ529", f"`@ {position}` of `{where}` holds {shown} {what} a row", severity="note")

    def site_places(
        self, model: LoadedModel, run: Run, info: SiteInfo, position: Position, span: Span | None
    ) -> Places:
        """The positions of a site."""
        projected = info.stand == "projector"
        tower = model.sites.tower(info.tower if projected else info.stand)
        return self._on(model, run, position, tower, info.stand, span)

    def _ground(
        self,
        model: LoadedModel,
        tower: Tower,
        stand: str,
        source: Expr | None,
        prompts: list[Prompt | None] | None,
        images: list[Path | None] | None,
        i: int,
    ) -> Ground | None:
        def row(name: str) -> Any:
            return self.data.column(name)[i]

        image = images[i] if images is not None else None
        if prompts is not None:
            prompt = prompts[i]
            if prompt is None:
                return None
            length = len(prompt.ids)
            if image is None:
                return Ground(tower, length, prompt, fed_by(source), row)
            return Ground(
                tower, length, prompt, fed_by(source), row,
                lambda: prompt.pictured, lambda name: self._inside(model, "tokens", row(name), image),
            )  # fmt: skip
        if image is None:
            return None
        if tower.modality in ("audio", "numbers"):
            return Ground(tower, tower.extent, None, None, row)
        pictures = self._of(model)

        def shown() -> tuple[int, ...]:
            return pictures.shown(stand, image)

        def inside(name: str) -> tuple[bool | None, ...]:
            flags = self._inside(model, stand, row(name), image)
            return tuple(flags[p] for p in shown())

        return Ground(tower, pictures.count(stand, image), None, None, row, shown, inside)

    def _of(self, model: LoadedModel) -> Pictures:
        return self._pictures.setdefault(model.ref.name, Pictures(model))

    def _inside(self, model: LoadedModel, stand: str, mask: Any, image: Path) -> tuple[bool | None, ...]:
        if not isinstance(mask, str):
            raise RowError("CQ453", "a mask column holds no path", repr(mask), "leave such rows out with `where`")
        key = (model.ref.name, stand, self.data.resolve(mask), image)
        if key not in self._masks:
            self._masks[key] = self._of(model).inside(stand, key[2], image)
        return self._masks[key]

    def _strings(self, source: Expr, what: str) -> list[str | None]:
        """The strings of a column or a constant; anything else in a row is a problem of that row."""
        if isinstance(source, Text):
            return [source.value] * self.data.n
        if isinstance(source, Counterfactual) and is_text(source):
            return [None] * self.data.n if self._said is None else list(self._said(source))
        if not isinstance(source, Column):
            raise TypeError(f"{render(source)} feeds nothing")  # the plan lets only these through
        values: list[Any] = [None] * self.data.n
        with self.problems.keep():
            values = self.data.column(source.name, source.span)
            for i, v in enumerate(values):
                if not isinstance(v, str):
                    shown = "nothing" if v is None else repr(v)
                    self.problems.row(
                        RowError(
                            "CQ453",
                            f"`row.{source.name}` feeds `{what}` no string",
                            shown,
                            "leave such rows out with `where`",
                        ),
                        i,
                        source.span,
                    )
        return [v if isinstance(v, str) else None for v in values]


def _read(model: LoadedModel, channel: str, text: str, image: Path | None, *, chat: bool) -> Prompt:
    if image is None:
        return tokenize(model, text, channel, special=not chat)
    return illustrated(model, text, open_image(image).convert("RGB"), chat=chat)
