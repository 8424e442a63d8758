"""LoRA engine: `lora.train` teaches an adapter, `lora.serve` lets people talk to it. Knows nothing of the platform."""
