"""Questions and answers, a glossary, and papers to read."""

from __future__ import annotations

import streamlit as st

QUESTIONS = {
    "Why three matrices, and not one?": "What a token looks for and what it is found by are not the "
    "same: a verb looks for its subject, and is not found by being looked for. With one matrix for both, "
    "looking would always be mutual; turn the projections off in *Step by step* and see the scores become "
    "symmetric. The third, for values, lets a token hand over something else than what it is found by.",
    "Why is it divided by the root of d_k?": "A dot product of two random vectors has a spread that grows "
    "like the root of their width. Undivided, the scores of wide heads are large, softmax puts everything on "
    "one token, and hardly any gradient is left to learn from. Leave the scale out in *Step by step* and "
    "see the entropy fall.",
    "What is the softmax for?": "It turns scores of any size into shares that are positive and sum to 1, "
    "so that the result is a mean of the values and as large as they are. It has a gradient everywhere, "
    "which choosing the largest would not have.",
    "Why several heads?": "A row of weights sums to 1: looking at one thing takes from another. With "
    "several heads a token attends to the word before with one and at its subject with another.",
    "How does it know the order of words?": "Without a mask it does not, by itself: the same tokens in "
    "another order give the same outputs in another order. Positions are added to the tokens, turned into "
    "queries and keys (rotary), or added to the scores (ALiBi). A causal mask tells a little, because each "
    "token then sees another set of tokens: one layer knows what came before, though not in which order, and "
    "several can learn from that where they are (Haviv et al. 2022).",
    "What is the mask for?": "In training a language model predicts every token at once, and each must "
    "be predicted from those before it alone. Padding is masked because it is no text.",
    "Does attention explain what a model does?": "No. It says where a head reads from, and not what is "
    "done with it, nor whether it matters; different patterns can give the same prediction (Jain & Wallace "
    "2019, and the answer by Wiegreffe & Pinter 2019).",
    "Why do so many heads attend to the first token?": "Rows must sum to 1, so that a head that has nothing "
    "to do has to put its weight somewhere. Models learn to put it where it does no harm: on a sink, often "
    "the first token (Xiao et al. 2023).",
    "What is the difference between self- and cross-attention?": "In self-attention queries, keys and "
    "values are made of the same tokens; in cross-attention queries come from one text, keys and values from "
    "another.",
    "Does it cost exponentially much?": "No: quadratically. Twice the text takes four times the "
    "comparisons. *Why attention* measures it here.",
    "What does a key-value cache save?": "A model that writes would compute keys and values of the whole "
    "text anew for every token. Under a causal mask they never change, so they are kept, and each new token "
    "costs one row.",
}

GLOSSARY = {
    "token": "a piece of text, picture or sound with a vector of its own",
    "embedding": "the vector of a token before any layer",
    "position": "what tells a token where it stands",
    "query": "what a token looks for",
    "key": "what a token is found by",
    "value": "what a token hands over to those that attend to it",
    "score": "dot product of a query and a key, before softmax",
    "scale": "what scores are multiplied with, 1 / √d_k as a rule",
    "mask": "which keys a query may not attend to",
    "softmax": "e to the score, divided by the sum of its row",
    "weight": "a score after softmax; each row sums to 1",
    "pattern": "all weights of one head, a matrix: rows are queries, columns are keys",
    "head": "one of several attentions side by side, with a share of the width",
    "layer": "attention of all heads and what follows it, up to the next",
    "d_model, d_k": "width of a token; width of a head's queries and keys",
    "causal": "of a mask: only what came before may be attended to",
    "self-attention": "queries, keys and values are made of the same tokens",
    "cross-attention": "queries come from one text, keys and values from another",
    "encoder": "every token may attend to all",
    "decoder": "every token looks back only, so that it can write",
    "sink": "a token, often the first, that takes weight a head does not need",
    "induction head": "a head that attends to what followed the last time that the current token came",
    "previous-token head": "a head that attends to the token before",
    "residual": "what goes past attention and is added to what comes out of it",
    "logits": "numbers for each token of the vocabulary, before their softmax",
    "entropy": "how spread out a row is: 0 for one token, log n for n alike",
    "grouped queries": "several query heads share one head of keys and values",
    "rotary position": "queries and keys turned by an angle that grows with their place",
    "landmark": "a mean of neighbours that stands for them",
    "one-hot": "of a row: 1 in one place, 0 in all others",
    "gradient": "how much the error changes with each weight of a model; training goes against it",
    "temperature": "what scores are divided by before softmax; the higher, the flatter the weights",
    "nat": "unit of entropy with natural logarithms; 0.69 nats are one bit",
    "rank": "how many products of a column and a row a matrix is the sum of, at the least",
    "singular value": "how much each of these products weighs; small ones can be left out",
    "Frobenius norm": "root of the sum of all squares of a matrix",
    "LSTM": "long short-term memory: a layer that reads token by token and hands on what it remembers",
}

PAPERS = (
    (
        "Bahdanau, Cho & Bengio 2015",
        "Neural Machine Translation by Jointly Learning to Align and Translate",
        "1409.0473",
        "attention is born, with additive scores",
    ),
    (
        "Luong, Pham & Manning 2015",
        "Effective Approaches to Attention-based Neural Machine Translation",
        "1508.04025",
        "multiplicative scores",
    ),
    (
        "Vaswani et al. 2017",
        "Attention Is All You Need",
        "1706.03762",
        "scaled dot products, many heads, no recurrence",
    ),
    (
        "Devlin et al. 2018",
        "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
        "1810.04805",
        "encoders",
    ),
    (
        "Clark et al. 2019",
        "What Does BERT Look At? An Analysis of BERT's Attention",
        "1906.04341",
        "what single heads have learned",
    ),
    (
        "Jain & Wallace 2019",
        "Attention is not Explanation",
        "1902.10186",
        "what patterns do not say",
    ),
    (
        "Wiegreffe & Pinter 2019",
        "Attention is not not Explanation",
        "1908.04626",
        "the answer to it",
    ),
    (
        "Abnar & Zuidema 2020",
        "Quantifying Attention Flow in Transformers",
        "2005.00928",
        "attention through layers",
    ),
    (
        "Dosovitskiy et al. 2020",
        "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
        "2010.11929",
        "pictures as patches",
    ),
    (
        "Elhage et al. 2021",
        "A Mathematical Framework for Transformer Circuits",
        "",
        "heads as circuits",
    ),
    (
        "Olsson et al. 2022",
        "In-context Learning and Induction Heads",
        "2209.11895",
        "the head that copies",
    ),
    (
        "Su et al. 2021",
        "RoFormer: Enhanced Transformer with Rotary Position Embedding",
        "2104.09864",
        "rotary positions",
    ),
    (
        "Press, Smith & Lewis 2021",
        "Train Short, Test Long: Attention with Linear Biases Enables Input Length Extrapolation",
        "2108.12409",
        "ALiBi",
    ),
    (
        "Haviv et al. 2022",
        "Transformer Language Models without Positional Encodings Still Learn Positional Information",
        "2203.16634",
        "what a causal mask tells",
    ),
    (
        "Wang et al. 2020",
        "Linformer: Self-Attention with Linear Complexity",
        "2006.04768",
        "low rank",
    ),
    (
        "Beltagy, Peters & Cohan 2020",
        "Longformer: The Long-Document Transformer",
        "2004.05150",
        "windows",
    ),
    (
        "Katharopoulos et al. 2020",
        "Transformers are RNNs: Fast Autoregressive Transformers with Linear Attention",
        "2006.16236",
        "linear attention",
    ),
    (
        "Choromanski et al. 2020",
        "Rethinking Attention with Performers",
        "2009.14794",
        "random features",
    ),
    (
        "Xiong et al. 2021",
        "Nyströmformer: A Nyström-Based Algorithm for Approximating Self-Attention",
        "2102.03902",
        "landmarks",
    ),
    (
        "Gupta et al. 2021",
        "Memory-efficient Transformers via Top-k Attention",
        "2106.06899",
        "top-k",
    ),
    (
        "Dao et al. 2022",
        "FlashAttention: Fast and Memory-Efficient Exact Attention with IO-Awareness",
        "2205.14135",
        "exact, and fast by reading memory less",
    ),
    (
        "Ainslie et al. 2023",
        "GQA: Training Generalized Multi-Query Transformer Models from Multi-Head Checkpoints",
        "2305.13245",
        "grouped queries",
    ),
    (
        "Xiao et al. 2023",
        "Efficient Streaming Language Models with Attention Sinks",
        "2309.17453",
        "sinks",
    ),
)
CIRCUITS = "https://transformer-circuits.pub/2021/framework/index.html"


def reading_panel() -> None:
    """Draw questions, words and papers."""
    st.subheader("Questions and answers", anchor=False)
    for question, answer in QUESTIONS.items():
        with st.expander(question):
            st.markdown(answer)
    words, papers = st.columns([1, 1.2], gap="medium")
    with words:
        st.subheader("Glossary", anchor=False)
        st.markdown("\n".join(f"- **{word}**: {meaning}" for word, meaning in GLOSSARY.items()))
    with papers:
        st.subheader("Papers to read", anchor=False)
        st.markdown("\n".join(_entry(*paper) for paper in PAPERS))


def _entry(authors: str, title: str, number: str, words: str) -> str:
    address = f"https://arxiv.org/abs/{number}" if number else CIRCUITS
    return f"- {authors}: [{title}]({address}): {words}"
