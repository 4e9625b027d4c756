"""Writes a tiny llama-architecture GGUF with random weights: a real model for llama.cpp that says random words.

Three tricks make it pleasant in tests. The vocabulary holds whole English words, so that streamed pieces are
words. Hidden dimension 0 is a lane that no layer writes to: embeddings put a large value there and the output
matrix reads it, which gives each token a bias of its own; bytes and control tokens get a strong negative one,
so that the text is always UTF-8, and the end of turn one that ends a reply after about `MEAN_LENGTH` tokens.
A fixed seed gives the same file byte by byte.

    python make_gguf.py tiny.gguf
"""

import math
import sys
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np

DIM: Final = 64
LAYERS: Final = 2
HEADS: Final = 4
HEADS_KV: Final = 2
FORWARD: Final = 2 * DIM
CONTEXT: Final = 4096
MEAN_LENGTH: Final = 60
SEED: Final = 7
LANE: Final = 4.0 * math.sqrt(DIM)
"""Large enough that normalization keeps lane 0 about constant."""

SPREAD: Final = 0.9
"""Standard deviation of the words' logits."""

SPECIAL: Final = ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
END_OF_TURN: Final = 4
FIRST_WORD: Final = len(SPECIAL) + 256
CHAT_TEMPLATE: Final = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
PIECES: Final = ".,!?;:'\"-()[]{}<>/\\_=+*#@&%$^~`|\n\t0123456789"


def vocabulary() -> tuple[list[str], list[int], int]:
    """Tokens, their kinds, and the index after the last whole word."""
    kinds = gguf.TokenType
    tokens = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))]
    known = [kinds.UNKNOWN] + [kinds.CONTROL] * (len(SPECIAL) - 1) + [kinds.BYTE] * 256
    words = Path(__file__).with_name("words.txt").read_text(encoding="utf-8").split()
    # The tokenizer merges neighbours, so a word is reached only through its prefixes.
    prefixes = [f"\u2581{word[:length]}" for word in words for length in range(1, len(word))]
    prefixes += [role[:length] for role in ("assistant", "user", "system") for length in range(2, len(role) + 1)]
    seen = set(tokens)
    words_end = FIRST_WORD + len(words)
    for piece in [*(f"\u2581{word}" for word in words), *prefixes, "\u2581", *LETTERS, *PIECES]:
        if piece not in seen:
            seen.add(piece)
            tokens.append(piece)
    return tokens, [int(kind) for kind in known] + [int(kinds.NORMAL)] * (len(tokens) - len(known)), words_end


def write(path: Path) -> None:
    """Write the model to `path`."""
    tokens, kinds, words_end = vocabulary()
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("keyhouse-tiny")
    writer.add_description("random weights, for tests only")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(DIM)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS_KV)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(DIM // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_scores([float(min(0, FIRST_WORD - 1 - place)) for place in range(len(tokens))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END_OF_TURN)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    _add_tensors(writer, tokens, words_end)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tensors(writer: Any, tokens: list[str], words_end: int) -> None:
    random = np.random.default_rng(SEED)

    def matrix(rows: int, columns: int, scale: float) -> Any:
        return (random.standard_normal((rows, columns)) * scale).astype(np.float32)

    embedding = matrix(len(tokens), DIM, 1.0)
    embedding[:, 0] = LANE
    writer.add_tensor("token_embd.weight", embedding.astype(np.float16))
    head, scale = DIM // HEADS, 1 / math.sqrt(DIM)
    ones = np.ones(DIM, np.float32)
    for layer in range(LAYERS):
        name = f"blk.{layer}."
        attention, down = matrix(DIM, DIM, scale / 4), matrix(DIM, FORWARD, 0.25 / math.sqrt(FORWARD))
        attention[0, :] = down[0, :] = 0  # nothing writes to the lane
        writer.add_tensor(name + "attn_norm.weight", ones)
        writer.add_tensor(name + "attn_q.weight", matrix(DIM, DIM, scale).astype(np.float16))
        writer.add_tensor(name + "attn_k.weight", matrix(HEADS_KV * head, DIM, scale).astype(np.float16))
        writer.add_tensor(name + "attn_v.weight", matrix(HEADS_KV * head, DIM, scale).astype(np.float16))
        writer.add_tensor(name + "attn_output.weight", attention.astype(np.float16))
        writer.add_tensor(name + "ffn_norm.weight", ones)
        writer.add_tensor(name + "ffn_gate.weight", matrix(FORWARD, DIM, scale).astype(np.float16))
        writer.add_tensor(name + "ffn_up.weight", matrix(FORWARD, DIM, scale).astype(np.float16))
        writer.add_tensor(name + "ffn_down.weight", down.astype(np.float16))
    writer.add_tensor("output_norm.weight", ones)
    lane = math.sqrt(DIM) * LANE / math.sqrt(LANE**2 + DIM)
    others = DIM / (LANE**2 / DIM + 1)
    output = matrix(len(tokens), DIM, SPREAD / math.sqrt(others))
    output[END_OF_TURN, :] = 0
    output[:, 0] = _bias(tokens, words_end) / lane
    writer.add_tensor("output.weight", output.astype(np.float16))


def _bias(tokens: list[str], words_end: int) -> Any:
    """How likely each token is, as a logit: words are, bytes and control tokens are not."""
    bias = np.full(len(tokens), -30.0, np.float32)
    bias[FIRST_WORD:words_end] = 0.0
    for mark in ".,?!":
        bias[tokens.index(mark)] = 1.0
    words_weight = (words_end - FIRST_WORD) * math.exp(SPREAD**2 / 2)
    bias[END_OF_TURN] = math.log(words_weight / (MEAN_LENGTH - 1))
    return bias


if __name__ == "__main__":
    write(Path(sys.argv[1]))
