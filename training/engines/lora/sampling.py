"""Answers to fixed teacher questions, so that people see what changed. Greedy: the same model says the same."""

import torch
from peft import PeftModel
from transformers import GenerationConfig, PreTrainedTokenizerBase

from lora.events import StopSignal
from lora.templates import ChatTemplate, Message

MAX_NEW_TOKENS = 80


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
        self.tokenizer, self.template, self.stop = tokenizer, template, stop
        self.system: list[Message] = [] if system_prompt is None else [{"role": "system", "content": system_prompt}]
        self.how = GenerationConfig(
            max_new_tokens=MAX_NEW_TOKENS, do_sample=False, eos_token_id=end_ids, pad_token_id=pad_id, use_cache=True
        )

    @torch.no_grad()
    def answer(self, model: PeftModel, question: str) -> str:
        """What the model says now, at most 80 tokens. Raises Interrupted between answers when asked to leave."""
        self.stop.check()
        text = self.template.render([*self.system, {"role": "user", "content": question}], add_generation_prompt=True)
        prompt = self.tokenizer(text, add_special_tokens=False, return_tensors="pt").to(model.device)
        was_training = model.training
        model.eval()
        said = model.generate(**prompt, generation_config=self.how)[0, prompt["input_ids"].shape[1] :]
        model.train(was_training)
        return str(self.tokenizer.decode(said, skip_special_tokens=True)).strip()
