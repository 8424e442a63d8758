"""The decoder of the model server beside plain `generate`, in turn, in one process. `serve_smollm2.py {order}`.

Both say exactly ANSWER tokens to prompts of like length, greedily, with the same adapter; the base is in fp32 on both sides, as
it is served. Prints one line of JSON: tokens a second of `generate` for one user and of ours for 1, 8 and 32, and seconds to
the first token.
"""

import json
import queue
import statistics
import sys
import time
from pathlib import Path

import torch
from lora.adapters import read_adapter
from lora.base_model import choose_hardware, load_base, load_tokenizer, stay_offline
from lora.decoding import Ask, Decoder, Finished, Token
from peft import PeftModel

ANSWER, ROUNDS = 40, 3
LONG = 2_400  # tokens


def prompts(tokenizer, count):
    asked = []
    for number in range(count):
        talk = [{"role": "user", "content": f"What is {number + 3} + {number % 7 + 2}, and how do you know?"}]
        text = tokenizer.apply_chat_template(talk, add_generation_prompt=True, tokenize=False)
        asked.append(tokenizer(text, add_special_tokens=False)["input_ids"])
    return asked


def start(decoder, adapter, prompt, heard, name):
    began = time.perf_counter()
    decoder.ask(
        Ask(prompt, adapter, ANSWER, 0.0, 1.0, None, lambda told: heard.put((name, told, time.perf_counter() - began)))
    )


def together(decoder, adapter, asked):
    """Tokens a second of all, and seconds to the first token of each."""
    heard, first, said, open_ones = queue.SimpleQueue(), {}, 0, len(asked)
    began = time.perf_counter()
    for name, prompt in enumerate(asked):
        start(decoder, adapter, prompt, heard, name)
    while open_ones:
        name, told, seconds = heard.get(timeout=600)
        if isinstance(told, Token):
            said += 1
            first.setdefault(name, seconds)
        else:
            assert isinstance(told, Finished), told
            open_ones -= 1
    return said / (time.perf_counter() - began), list(first.values())


def plain(model, prompt):
    ids = torch.tensor([prompt])
    began = time.perf_counter()
    with torch.inference_mode():
        made = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=ANSWER,
            min_new_tokens=ANSWER,
            do_sample=False,
        )
    assert made.shape[1] == len(prompt) + ANSWER
    return ANSWER / (time.perf_counter() - began)


def beside_long(decoder, adapter, tokenizer, short):
    """Seconds to the first token of a short question that comes right after a long prompt."""
    heard = queue.SimpleQueue()
    start(decoder, adapter, (short * (LONG // len(short) + 1))[:LONG], heard, "long")
    start(decoder, adapter, short, heard, "short")
    seconds, open_ones = None, 2
    while open_ones:
        name, told, since = heard.get(timeout=600)
        if name == "short" and seconds is None:
            seconds = since
        open_ones -= not isinstance(told, Token)
    return seconds


def main():
    order = json.loads(sys.argv[1])
    torch.set_num_threads(order["threads"])
    stay_offline()
    tokenizer = load_tokenizer(order["base"])
    hardware = choose_hardware("auto")
    decoder = Decoder(load_base(order["base"], hardware), [], max_batch=32)
    adapter = read_adapter(Path(order["adapter"]), hardware.device)
    peer = PeftModel.from_pretrained(load_base(order["base"], choose_hardware("fp32")), order["adapter"]).eval()
    asked = prompts(tokenizer, 32)
    plain(peer, asked[0]), together(decoder, adapter, asked[:1])
    generate, tokens, first = [], {1: [], 8: [], 32: []}, {1: [], 8: [], 32: []}
    for _ in range(ROUNDS):
        for users in tokens:
            generate.append(plain(peer, asked[0]))
            rate, waited = together(decoder, adapter, asked[:users])
            tokens[users].append(rate)
            first[users] += waited
    print(
        json.dumps(
            {
                "generate": statistics.median(generate),
                "tokens": {users: statistics.median(rates) for users, rates in tokens.items()},
                "first_alone": statistics.median(first[1]),
                "first_32": statistics.median(first[32]),
                "short_beside_long": beside_long(decoder, adapter, tokenizer, asked[0]),
            }
        )
    )


if __name__ == "__main__":
    main()
