"""The words of the course in one sentence each: a page of the guide, and a mark beside what a form calls so."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """`labels`: fields of forms that mean it, in lower case. `topic`: the page of the guide that says more, or empty."""

    slug: str
    word: str
    says: str
    topic: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    title: str
    terms: tuple[Term, ...]


DATA = Part(
    "Data",
    (
        Term(
            "row",
            "Training data row",
            "One example of how the child answers: usually a question of the teacher and the child’s answer.",
            "datasets",
        ),
        Term(
            "system-message",
            "System message",
            "Words before the talk that tell the model who it is to be, such as “You are seven years old.”",
            "datasets",
        ),
        Term(
            "split",
            "Split",
            "The rows are divided: most are for learning, a few are kept back to see whether the bot learnt more than "
            "those rows by heart.",
            "datasets",
        ),
        Term(
            "token",
            "Token",
            "A piece of a word, as a model reads and writes it. English has about four tokens to three words. Prices and "
            "lengths are counted in tokens.",
            "costs",
            ("longest row", "longest answer", "longest conversation"),
        ),
        Term(
            "preference-pair",
            "Preference pair",
            "Two answers to one question, and which of them is more like the child. DPO learns from such pairs.",
            "testing",
        ),
    ),
)
TRAINING = Part(
    "Training",
    (
        Term(
            "base-model",
            "Base model",
            "The model that everything begins with. It speaks like an adult until it is taught.",
            "choosing",
            ("base model", "start from"),
        ),
        Term(
            "dspy-program",
            "DSPy program",
            "A prompt with instruction and examples that DSPy has put together and tried; the model itself is unchanged.",
            "dspy",
        ),
        Term(
            "optimiser",
            "Optimiser",
            "The part of DSPy that tries prompts on your rows, scores the answers, and keeps the best prompt.",
            "dspy",
            ("optimiser",),
        ),
        Term(
            "demonstration",
            "Demonstration",
            "An example that stands in the prompt, so that the model sees how the child answers before it answers.",
            "dspy",
            ("found demonstrations", "your rows as demonstrations"),
        ),
        Term(
            "lora",
            "LoRA",
            "A way to teach a model by training small extra matrices beside its layers. The model’s own numbers stay as "
            "they are.",
            "lora",
        ),
        Term(
            "adapter",
            "Adapter",
            "What a LoRA run makes: the small extra matrices. Put beside the base model, they make your bot.",
            "lora",
        ),
        Term(
            "rank",
            "Rank (r)",
            "How large an adapter’s matrices are. A higher rank can learn more, also by heart. The guide’s value is 8.",
            "lora",
            ("rank (r)",),
        ),
        Term(
            "alpha",
            "Alpha",
            "How strongly the adapter acts: its output is multiplied by alpha divided by rank. The guide’s value is 32.",
            "lora",
            ("alpha",),
        ),
        Term(
            "dropout",
            "Dropout",
            "The share of values that training switches off at random in each step, so that less is learnt by heart.",
            "lora",
            ("dropout",),
        ),
        Term(
            "epoch",
            "Epoch",
            "One pass over all rows that are for learning. Three epochs: each row is seen three times.",
            "lora",
            ("epochs",),
        ),
        Term(
            "learning-rate",
            "Learning rate",
            "How far one step of training moves the numbers. Too high and the bot talks nonsense, too low and it stays "
            "as it was.",
            "lora",
            ("learning rate", "learning rate multiplier"),
        ),
        Term(
            "batch",
            "Batch",
            "The rows that are read together before one step of training.",
            "lora",
            ("batch size", "batches to one step", "pairs to a batch"),
        ),
        Term(
            "checkpoint",
            "Checkpoint",
            "What training saves on its way. After a power cut it goes on from there.",
            "lora",
        ),
        Term(
            "loss",
            "Training loss and validation loss",
            "How surprised the model is by rows: lower is better. Training loss is of the rows it learns from, validation "
            "loss of those kept back. When the second rises while the first falls, it learns by heart.",
            "pitfalls",
            ("stop early after",),
        ),
        Term(
            "dpo",
            "DPO",
            "Direct preference optimisation: training that moves a bot towards the preferred answer of each pair and away "
            "from the other.",
            "testing",
            ("beta", "beta (dpo only)"),
        ),
        Term(
            "temperature",
            "Temperature",
            "How much chance there is in an answer. At 0 the bot gives the likeliest words each time.",
            "testing",
            ("temperature",),
        ),
    ),
)
TESTING = Part(
    "Testing and grading",
    (
        Term(
            "standard-interview",
            "Standard interview",
            "The same questions for every bot, with measures of the answers, so that bots can be compared.",
            "testing",
        ),
        Term(
            "live-interview",
            "Live interview",
            "A professor’s own talk with a bot. She asks what she wants.",
            "grading",
        ),
        Term(
            "misconception",
            "Misconception",
            "An idea that is wrong and that many children have, such as that the sun goes round us. A good bot has some "
            "and keeps them.",
            "goal",
        ),
        Term(
            "blind",
            "Blind grading",
            "Who grades does not know whose bot it is, how it was made, or what it cost.",
            "grading",
        ),
        Term(
            "criterion",
            "Criterion",
            "One of the eight things that the rubric looks at, each with four levels described in a sentence.",
            "grading",
        ),
        Term(
            "calibration",
            "Calibration",
            "Before they grade, professors put the same few interviews on the scale, so that a level means the same to all.",
            "grading",
        ),
        Term(
            "agreement",
            "Inter-rater agreement",
            "How far professors who graded the same bot gave the same levels, beyond what chance would give.",
            "grading",
        ),
        Term(
            "adjudication",
            "Adjudication",
            "Where two grades lie two or more levels apart, the instructor reads the evidence of both and decides, with a reason.",
            "grading",
        ),
        Term(
            "llm-judge",
            "LLM judge",
            "A language model that is asked what it thinks of an interview. It is one more opinion and never a grade.",
            "testing",
        ),
    ),
)
MONEY = Part(
    "Money",
    (
        Term(
            "budget",
            "Budget",
            "What your team may spend. Your instructor sets it.",
            "costs",
        ),
        Term(
            "hold",
            "Hold",
            "The most that something can cost, kept aside before it starts. Afterwards the real cost is taken, and the "
            "rest comes back.",
            "costs",
        ),
        Term(
            "provider",
            "Provider",
            "A service outside the university that trains models or answers with them, for money.",
            "openai",
        ),
    ),
)
PARTS = (DATA, TRAINING, TESTING, MONEY)
TERMS = {term.slug: term for part in PARTS for term in part.terms}
BY_LABEL = {label: term for term in TERMS.values() for label in term.labels}
