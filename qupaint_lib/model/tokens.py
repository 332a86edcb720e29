"""The tokens that the release fixes, and the ids of those that a small tokenizer begins with."""

IMAGE_START, IMAGE_END, IMAGE_CONTEXT = "<img>", "</img>", "<IMG_CONTEXT>"
END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CONTROL_TOKENS = (END_OF_TEXT, TURN_START, TURN_END, IMAGE_START, IMAGE_END, IMAGE_CONTEXT)
ANSWER_TOKENS = ("<box>", "</box>", "<CONCLUSION>", "</CONCLUSION>")

NANO_IMAGE_TOKEN = CONTROL_TOKENS.index(IMAGE_CONTEXT)
NANO_VOCABULARY, NANO_CONTEXT = 2048, 8192
QWEN3_IMAGE_TOKEN, QWEN3_VOCABULARY = 151_671, 151_936

BRIEF = "Answer with the conclusion only."  # after a question: no candidates, no reasoning
