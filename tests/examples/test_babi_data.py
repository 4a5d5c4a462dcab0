"""Reading, writing and downloading bAbI stories."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import struct
import sys
import tarfile
from collections import Counter

import pytest

import babi_data
from babi_data import Example, download, read_examples, read_lines, story_lines, write_stories

STORY = (
    "1 Mary moved to the bathroom.\n"
    "2 John went back to the hallway.\n"
    "3 Where is Mary? \tbathroom\t1\n"
    "4 Mary went to the garden.\n"
    "5 Where is Mary? \tgarden\t4\n"
)


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "qa.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


# ---------------------------------------------------------------- reading
def test_words_are_lower_case_without_the_line_number(write):
    assert read_lines(write(STORY))[:3] == [
        ["mary", "moved", "to", "the", "bathroom."],
        ["john", "went", "back", "to", "the", "hallway."],
        ["where", "is", "mary?", "\tbathroom\t1"],
    ]


@pytest.mark.parametrize("content", [STORY.rstrip("\n"), STORY.replace("\n", "\r\n")], ids=["no last newline", "crlf"])
def test_line_ends_do_not_matter(write, content):
    assert read_lines(write(content)) == read_lines(write(STORY))


def test_limit_reads_no_further(write):
    assert len(read_lines(write(STORY + "rubbish\n"), limit=5)) == 5
    with pytest.raises(ValueError, match="limit must be at least 0, got -1"):
        read_lines(write(STORY), limit=-1)


def test_examples_hold_the_story_so_far(write):
    bathroom, hallway, garden = (
        "Mary moved to the bathroom.",
        "John went back to the hallway.",
        "Mary went to the garden.",
    )
    assert read_examples(write(STORY)) == [
        Example((bathroom, hallway), "Where is Mary?", "bathroom", (0,)),
        Example((bathroom, hallway, garden), "Where is Mary?", "garden", (2,)),
    ]


def test_a_line_numbered_one_starts_a_new_story(write):
    assert [len(example.story) for example in read_examples(write(STORY * 2))] == [2, 3, 2, 3]


def test_several_supporting_lines(write):
    example = read_examples(write("1 A.\n2 B.\n3 Where? \tx\t2 1\n"))[0]
    assert example.support == (1, 0)


# ---------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("\n", "line 1: not a bAbI line: ''"),
        ("To be, or not to be\n", "line 1: not a bAbI line"),
        ("1 Mary moved.\nid,text\n", "line 2: not a bAbI line: 'id,text'"),
        ("1 Mary moved.\n3 John moved.\n", "line 2: numbered 3; expected 2, or 1 for a new story"),
        ("0 Mary moved.\n", "line 1: not a bAbI line"),
        ("2 Mary moved.\n", "line 1: numbered 2; expected 1"),
        ("1 Where is Mary? \tbathroom\n", "line 1: not a bAbI line"),
        ("1 Where is Mary? \tbathroom\tone\n", "line 1: not a bAbI line"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "line 1: not a bAbI line"),
        (b"1 Mary\x00moved.\n", "line 1: not a bAbI line"),
    ],
)
@pytest.mark.parametrize("read", [read_lines, read_examples])
def test_bad_content_names_file_line_and_format(write, read, content, message):
    path = write(content)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.txt", "."])
def test_missing_file_is_named(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="no such file; expected a bAbI task file"):
        read_lines(tmp_path / name)


@pytest.mark.parametrize("support", ["2", "7"], ids=["itself", "beyond"])
def test_support_must_be_an_earlier_statement(write, support):
    with pytest.raises(ValueError, match=f"line 2: supporting line {support} is no earlier statement"):
        read_examples(write(f"1 Mary moved.\n2 Where is Mary? \tgarden\t{support}\n"))


# ---------------------------------------------------------------- writing
def test_written_stories_are_read_back(tmp_path):
    path = write_stories(tmp_path / "new" / "stories.txt", stories=20, seed=3)
    assert len(read_lines(path)) == 20 * 15
    assert len(read_examples(path)) == 20 * 5


def test_same_seed_same_stories():
    assert list(story_lines(5, seed=1)) == list(story_lines(5, seed=1))
    assert list(story_lines(5, seed=1)) != list(story_lines(5, seed=2))


def test_the_stream_of_a_seed_never_changes():
    assert list(story_lines(1, seed=0))[:3] == [
        "1 Sandra travelled to the kitchen.",
        "2 John travelled to the hallway.",
        "3 Where is John? \thallway\t2",
    ]


def test_answers_follow_from_the_story(tmp_path):
    for example in read_examples(write_stories(tmp_path / "stories.txt", stories=50)):
        person = re.fullmatch(r"Where is (\w+)\?", example.question)[1]
        moves = [(i, text) for i, text in enumerate(example.story) if text.startswith(person)]
        assert moves[-1][1].endswith(f" to the {example.answer}.")
        assert example.support == (moves[-1][0],)


def test_nobody_moves_to_where_they_are(tmp_path):
    where = {}
    for number, person, *_, place in (line.split() for line in story_lines(100) if "?" not in line):
        where = {} if number == "1" else where
        assert where.get(person) != place
        where[person] = place


def test_every_word_of_the_grammar_is_about_as_frequent():
    statements = [line.split(" ", 1)[1] for line in story_lines(1000) if "?" not in line]
    parts = [re.fullmatch(r"(\w+) (.+) to the (\w+)\.", text).groups() for text in statements]
    for words, column in zip((babi_data.PERSONS, babi_data.VERBS, babi_data.PLACES), zip(*parts)):
        counts = Counter(column)
        assert set(counts) == set(words)
        # six standard deviations of a binomial count
        assert max(abs(n - len(parts) / len(words)) for n in counts.values()) < 6 * (len(parts) / len(words)) ** 0.5


@pytest.mark.parametrize("stories", [0, -1])
def test_no_stories_is_an_error(stories):
    with pytest.raises(ValueError, match=f"stories must be at least 1, got {stories}"):
        next(story_lines(stories))


# ---------------------------------------------------------------- downloading
class Network:
    """Stands in for pooch: serves the archives it is given by address; no other address answers."""

    def __init__(self):
        self.archives = {}
        self.asked = []

    def retrieve(self, url, known_hash, path, fname, downloader):
        self.asked.append(url)
        if url not in self.archives:
            raise OSError("no network")
        path.mkdir(parents=True, exist_ok=True)
        (path / fname).write_bytes(self.archives[url])
        return str(path / fname)


@pytest.fixture
def network(monkeypatch):
    pooch = pytest.importorskip("pooch")
    network = Network()
    monkeypatch.setattr(pooch, "retrieve", network.retrieve)
    monkeypatch.setitem(babi_data.SHA256, "train", hashlib.sha256(STORY.encode()).hexdigest())
    return network


TRAIN = babi_data.MEMBER.format(split="train")


def archive(content, member=TRAIN):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(member)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def damaged_archive():
    """A tar file that starts well, and goes on with a block of a kind that deflate does not have."""
    start = gzip.decompress(archive("\n".join(story_lines(stories=200)).encode()))[:0xFFFF]
    stored_block = struct.pack("<BHH", 0, len(start), len(start) ^ 0xFFFF) + start
    return b"\x1f\x8b\x08" + bytes(7) + stored_block + b"\x07"


def test_download_happens_once(network, tmp_path):
    network.archives[babi_data.ARCHIVES[0]] = archive(STORY.encode())
    paths = {download("train", tmp_path) for _ in range(2)}
    assert [path.read_text() for path in paths] == [STORY]
    assert network.asked == [babi_data.ARCHIVES[0]]


def test_second_address_when_the_first_is_silent(network, tmp_path):
    network.archives[babi_data.ARCHIVES[1]] = archive(STORY.encode())
    assert download("train", tmp_path).read_text() == STORY
    assert network.asked == list(babi_data.ARCHIVES)


def test_a_damaged_file_is_fetched_again(network, tmp_path):
    network.archives[babi_data.ARCHIVES[0]] = archive(STORY.encode())
    download("train", tmp_path).write_text(STORY[:20])
    assert download("train", tmp_path).read_text() == STORY


@pytest.mark.parametrize(
    ("served", "reason"),
    [
        (b"<html>not found</html>", "ReadError"),
        (archive(b"1 Something else.\n"), "wrong SHA-256"),
        (archive(STORY.encode(), member="other.txt"), "KeyError"),
        (archive(STORY.encode())[:100], "EOFError"),
        (damaged_archive(), "gz: (error|ReadError)"),
    ],
    ids=["no archive", "other content", "no such member", "cut short", "damaged inside"],
)
def test_a_wrong_archive_is_refused_and_not_kept(network, tmp_path, served, reason):
    network.archives = dict.fromkeys(babi_data.ARCHIVES, served)
    with pytest.raises(RuntimeError, match=reason) as caught:
        download("train", tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_without_network_one_line_says_what_to_do(network, tmp_path):
    with pytest.raises(RuntimeError, match=r"could not be downloaded .* give a file") as caught:
        download("train", tmp_path)
    assert "\n" not in str(caught.value)


def test_without_pooch_the_install_command_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(RuntimeError, match="pip install pooch"):
        download("train", tmp_path)


def test_unknown_split(tmp_path):
    with pytest.raises(ValueError, match="split must be 'train' or 'test', got 'valid'"):
        download("valid", tmp_path)
