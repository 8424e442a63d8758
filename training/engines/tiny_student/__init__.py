"""A tiny Llama-shape chat model that we train ourselves from text we make ourselves, and the demo rows that go with it."""
