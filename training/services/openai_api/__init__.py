"""`/v1` as OpenAI describes it: files, fine-tuning jobs and models of a team, for programs that only know OpenAI's client."""
