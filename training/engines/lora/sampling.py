"""Answers to teacher questions, so that people see what changed. Greedy: the same model says the same."""

from collections.abc import Sequence

import torch
from peft import PeftModel
from torch import Tensor
from transformers import GenerationConfig, PreTrainedTokenizerBase
from transformers.generation.stopping_criteria import StoppingCriteria, StoppingCriteriaList

from lora.events import StopSignal
from lora.templates import ChatTemplate, Message

MAX_NEW_TOKENS = 80
AT_ONCE = 20  # questions; a token for twenty costs little more than one for a single question


class _Leaving(StoppingCriteria):  # type: ignore[misc]
    """Ends all answers when the engine was asked to leave."""

    def __init__(self, stop: StopSignal) -> None:
        self.stop = stop

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        return torch.full((len(input_ids),), self.stop.requested, device=input_ids.device)


class Sampler:
    """Asks the questions the way the rows do: with their system line, where all of them share one."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        template: ChatTemplate,
        end_ids: list[int],
        pad_id: int,
        system_prompt: str | None,
        stop: StopSignal,
    ) -> None:
        self.tokenizer, self.template, self.stop, self.pad_id = tokenizer, template, stop, pad_id
        self.system: list[Message] = (
            [] if system_prompt is None else [{"role": "system", "content": system_prompt}]
        )
        self.how = GenerationConfig(
            max_new_tokens=MAX_NEW_TOKENS,
            do_sample=False,
            eos_token_id=end_ids,
            pad_token_id=pad_id,
            use_cache=True,
        )

    def prompt(self, question: str) -> str:
        """The exact text that the model is asked with."""
        return self.template.render(
            [*self.system, {"role": "user", "content": question}], add_generation_prompt=True
        )

    def answers(self, model: PeftModel, questions: Sequence[str]) -> list[str]:
        """What the model says now, at most 80 tokens each, in the order of the questions; many are answered at once.

        Raises Interrupted when asked to leave.
        """
        said: list[str] = []
        for first in range(0, len(questions), AT_ONCE):
            self.stop.check()
            said += self._together(model, questions[first : first + AT_ONCE])
            self.stop.check()
        return said

    @torch.no_grad()
    def _together(self, model: PeftModel, questions: Sequence[str]) -> list[str]:
        prompts = [
            self.tokenizer(self.prompt(one), add_special_tokens=False)["input_ids"]
            for one in questions
        ]
        longest = max(map(len, prompts))
        # Padded on the left, so that all answers begin in one column; the mask hides the padding.
        ids = torch.tensor(
            [[self.pad_id] * (longest - len(one)) + one for one in prompts], device=model.device
        )
        mask = torch.tensor(
            [[0] * (longest - len(one)) + [1] * len(one) for one in prompts], device=model.device
        )
        was_training = model.training
        model.eval()
        leaving = StoppingCriteriaList([_Leaving(self.stop)])
        made = model.generate(
            input_ids=ids,
            attention_mask=mask,
            generation_config=self.how,
            stopping_criteria=leaving,
        )[:, longest:]
        model.train(was_training)
        return [
            str(self.tokenizer.decode(one, skip_special_tokens=True)).strip() for one in made
        ]
