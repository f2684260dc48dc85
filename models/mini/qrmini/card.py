"""`card`: the model card, from facts that were measured. What is not among them is not claimed."""

_HEAD = """# {name}

`{file}`: the model that `qrhead` uses when none is named. It needs no download.

| | |
|---|---|
| Architecture | llama, {layers} layers of {heads} heads of {headDim} dimensions, width {width}, feed-forward {feedForward} |
| Parameters | {parameters} million, Q8_0, {megabytes} MB |
| Vocabulary | {vocabulary:,} byte pairs with byte fallback |
| Context | {context:,} tokens; trained on prompts of up to {trainedTokens:,} |
| Retrieval heads | {retrievalHeads} |
| Language | English, encyclopedic passages |

It is not a language model: the last layer has queries and keys only, its other weights are zero.

## Training

{training}

Commands and code: `models/mini/` in the repository. Cost: {cost}.

## Quality

{qualityNote}

| set | queries | BM25 | {name} | difference, 95% interval |
|---|---|---|---|---|
{quality}

## Limits

{limits}

## Licence

Weights: [CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/). Attribution: {attribution}. The code of qrhead is under the MIT licence.
"""


def _row(name: str, entry: dict) -> str:
    low, high = entry["interval"]
    return f"| {name} | {entry['queries']} | {entry['bm25']:.3f} | {entry['mini']:.3f} | {entry['mini'] - entry['bm25']:+.3f} ({low:+.3f} to {high:+.3f}) |"


def render(facts: dict) -> str:
    """@param facts The fields of the text, and `sets`: per name {queries, bm25, mini, interval: [low, high]}.
    @throws KeyError for a fact that is missing: a card has no blanks.
    """
    quality = "\n".join(_row(name, entry) for name, entry in facts["sets"].items())
    return _HEAD.format(**{**facts, "quality": quality})
