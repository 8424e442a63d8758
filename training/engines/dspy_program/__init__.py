"""The DSPy engine: optimises a prompt program that answers as a second-grader, and serves it.

Started as a program (`python -P -m dspy_program.optimize spec.json`, `python -P -m dspy_program.serve`), never imported
by the platform. The contract with the platform is in docs/engine-contract.md.
"""
