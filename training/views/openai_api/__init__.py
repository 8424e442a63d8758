"""Views of `/v1` beside chat: files, fine-tuning jobs and models. Each answers in OpenAI's shapes, errors included."""
