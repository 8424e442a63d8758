"""The fixed teacher questions that every run answers before, during and after training, so that runs can be compared."""

SAMPLE_QUESTIONS = [
    "What is 15 + 8?",
    "What do plants need to grow?",
    "Why do we have day and night?",
    "What do you do when you read a word you do not know?",
    "How do you feel when your friend is sad?",
]
