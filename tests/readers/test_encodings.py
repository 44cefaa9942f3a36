"""Text is read in the declared encoding or refused, never as letters that nobody wrote; and a sample's is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelaudit.errors import DeliveryRejected, InvalidInput
from labelaudit.propose.first_bytes import text_in_its_encoding
from labelaudit.readers.formats import read_here
from labelaudit.readers.terms import Field, Terms
from labelaudit.readers.texts.decoding import Decoding
from labelaudit.readers.texts.encodings import guessed
from labelaudit.readers.texts.text_blocks import BLOCK_BYTES

FIELDS = (Field("item", "item"), Field("label", "label"))
WORDS = {
    "french": "élève déjà vu, garçon, œuvre, forêt, hôtel, naïveté, été, Noël, « ça », coûte",
    "german": "Hündin, Größe, Straße, Müll, Bär, Löwe, schön, Käfig, für, weiß",
    "japanese": "猫、犬、ラベル、データを確認する、画像が不明です、鳥、魚、東京都、分類、いいえ",
    "chinese": "猫,狗,图片标注错误,任务正在运行,鸟,未知类别,北京,质量检查,不是,数据集",
    "halfkana": "ﾈｺ,ｲﾇ,ﾄﾘ,ｻｶﾅ,ﾗﾍﾞﾙ,ﾃﾞｰﾀ,ｶﾞｿﾞｳ,ﾌﾒｲ,ﾄｳｷｮｳ,ﾊｲ",
    "korean": "고양이,강아지,라벨,데이터를 확인,이미지,새,물고기,서울,분류,아니요",
    "traditional": "貓,狗,圖片標註錯誤,任務正在執行,鳥,未知類別,臺北,品質檢查,不是,資料集",
    "russian": "кошка, собака, метка, данные, неизвестно, птица, рыба, Москва, класс, нет",
}
OWN = [
    ("french", "cp1252"),
    ("french", "latin-1"),
    ("german", "cp1252"),
    ("japanese", "shift_jis"),
    ("halfkana", "shift_jis"),
    ("chinese", "gb18030"),
    ("french", "gb18030"),
    ("chinese", "utf-16"),
    ("german", "utf-16"),
]


def words(language: str) -> list[str]:
    return [word.strip() for word in WORDS[language].replace("、", ",").split(",")]


def table(language: str, format: str = "csv") -> str:
    rows = [(f"i{number}", word.replace("œ", "oe")) for number, word in enumerate(words(language))]
    if format == "csv":
        return "item,label\n" + "".join(f"{item},{label}\n" for item, label in rows)
    lines = [f'{{"item": "{item}", "label": "{label}"}}' for item, label in rows]
    return "\n".join(lines) if format == "jsonl" else f"[{','.join(lines)}]"


def read(path: Path, content: bytes, encoding: str, format: str = "csv"):
    path.write_bytes(content)
    batches = list(read_here(path, Terms("f", format, FIELDS, encoding=encoding)))
    rows = [row["label"] for batch in batches for row in batch.rows.to_pylist()]
    return rows, [reject for batch in batches for reject in batch.rejects]


@pytest.mark.parametrize("format", ["csv", "jsonl", "json"])
@pytest.mark.parametrize(("language", "encoding"), OWN)
def test_genuine_text_is_taken(tmp_path: Path, language: str, encoding: str, format: str):
    content = table(language, format).encode(encoding)
    expected = [word.replace("œ", "oe") for word in words(language)]
    assert read(tmp_path / "f", content, encoding, format) == (expected, [])


@pytest.mark.parametrize("format", ["csv", "jsonl", "json"])
@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("é0", "cp1252"),
        ("é", "cp1252"),
        ("José", "latin-1"),
        ("José", "shift_jis"),
        ("José", "gb18030"),
        ("中文", "gb18030"),
        ("日本", "shift_jis"),
        ("кошка", "cp1252"),
        ("猫", "latin-1"),
        ("cat", "utf-16"),
        ("José", "utf-16"),
    ],
)
def test_utf8_under_another_encoding_is_refused(tmp_path: Path, text: str, encoding: str, format: str):
    """Also where a single word in thousands of rows tells it; the message says where, and what to do."""
    for rows in (1, 3_000):
        lines = [f"i{number},{text if number == rows - 1 else 'cat'}" for number in range(rows)]
        content = "item,label\n" + "\n".join(lines)
        if format != "csv":
            objects = [f'{{"item": "{line.split(",")[0]}", "label": "{line.split(",")[1]}"}}' for line in lines]
            content = "\n".join(objects) if format == "jsonl" else "[" + ",\n".join(objects) + "]"
        with pytest.raises(DeliveryRejected) as caught:
            read(tmp_path / "f", content.encode(), encoding, format)
        said = str(caught.value)
        if "it is not" not in said:  # the bytes are none of the encoding's own
            assert caught.value.code == "bad_encoding"
            assert f"line {rows + (format == 'csv')}: it is UTF-8, the contract says {encoding}" in said
            assert text[: said.count(text[0])] in said
        assert "encoding` changed to utf-8" in said or "Export it again" in said


@pytest.mark.parametrize("encoding", ["cp1252", "gb18030"])
def test_the_signs_of_utf8_are_seen_however_the_blocks_are_cut(encoding: str):
    content = "item,label\ni0,caf\u00e9\n".encode()
    for size in range(1, len(content)):
        blocks = [content[start : start + size] for start in range(0, len(content), size)] + [b""]
        decoding = Decoding(Terms("f", "csv", encoding=encoding))
        assert "".join(decoding.text(block, False, 1) for block in blocks[:-1])
        with pytest.raises(DeliveryRejected, match="line 2: it is UTF-8"):
            decoding.text(b"", True, 1)


def test_one_word_of_its_own_encoding_is_enough_to_be_that(tmp_path: Path):
    """A million bytes that are valid UTF-8, and one that is not, far behind: the contract is right."""
    content = ("item,label\n" + "i,é\n" * (BLOCK_BYTES // 4)).encode() + b"last,\xe9\n"
    rows, rejects = read(tmp_path / "f", content, "latin-1")
    assert (rows[0], rows[-1], rejects) == ("Ã©", "é", [])


def test_a_lone_character_that_is_both_is_taken_as_declared(tmp_path: Path):
    """猫 in GB18030 is the bytes of è in UTF-8, ﾈｺ in Shift-JIS those of Ⱥ: alone they say nothing."""
    assert read(tmp_path / "f", "item,label\na,猫\n".encode("gb18030"), "gb18030")[0] == ["猫"]
    assert read(tmp_path / "f", "item,label\na,ﾈｺ\n".encode("shift_jis"), "shift_jis")[0] == ["ﾈｺ"]


def test_the_mark_of_utf8_and_a_header_in_it_say_so(tmp_path: Path):
    with pytest.raises(DeliveryRejected, match="it begins with the mark of UTF-8, the contract says cp1252"):
        read(tmp_path / "f", "\ufeffitem,label\na,cat\n".encode(), "cp1252")
    (tmp_path / "f").write_text("item,größe\n" + "a,1\n" * BLOCK_BYTES, encoding="utf-8")
    with pytest.raises(DeliveryRejected, match="With `encoding: utf-8` it would have them"):
        list(read_here(tmp_path / "f", Terms("f", "csv", (Field("item", "größe"),), encoding="cp1252")))


@pytest.mark.parametrize(("language", "encoding"), [("german", "cp1252"), ("japanese", "shift_jis")])
def test_what_is_no_utf8_is_told_as_what_it_may_be(tmp_path: Path, language: str, encoding: str):
    rows, rejects = read(tmp_path / "f", table(language).encode(encoding), "utf-8")
    assert rows == []
    assert {reject.code for reject in rejects} == {"bad_encoding"}
    said = [reject.reason for reject in rejects if f"; as {encoding} they would be " in reject.reason]
    assert len(said) > 6
    assert words(language)[2] in "".join(said)
    with pytest.raises(DeliveryRejected, match=f"as {encoding} they would be"):
        read(tmp_path / "f", table(language, "json").encode(encoding), "utf-8", "json")


@pytest.mark.parametrize(
    ("language", "encoding"),
    [own for own in OWN if own[1] in ("cp1252", "shift_jis") or own == ("chinese", "gb18030")]
    + [("japanese", "euc_jp"), ("korean", "euc_kr"), ("traditional", "big5"), ("russian", "cp1251")],
)
def test_a_samples_encoding_is_told(language: str, encoding: str):
    """The likeliest is right, with few words too; what contracts can't name is told as what it is."""
    whole = guessed(table(language).encode(encoding))
    assert whole.encoding == encoding
    assert whole.taken == (encoding in ("cp1252", "shift_jis", "gb18030"))
    for number in range(6):
        assert guessed("\n".join(words(language)[number : number + 5]).encode(encoding)).encoding == encoding
    much = guessed((table(language) * 3).encode(encoding)[:-1], whole=False)
    assert much.encoding == encoding


def test_a_guess_is_certain_only_where_nothing_else_is_near():
    assert guessed(table("german").encode("cp1252")).certain
    assert guessed(table("japanese").encode("shift_jis")).certain
    assert guessed(b"a,\xe9\n").certain is False
    assert guessed(bytes(range(128, 256))).certain is False


def test_a_sample_is_proposed_in_its_encoding_or_asked_about(tmp_path: Path):
    """Certain, a guess that shows the letters, one that contracts can't name, and UTF-8 that is damaged."""
    encoding, text, note = text_in_its_encoding(tmp_path, table("japanese").encode("shift_jis"), True)
    assert (encoding, text) == ("shift_jis", table("japanese"))
    assert "seems to be shift_jis" in note
    encoding, _, note = text_in_its_encoding(tmp_path, "item,label\na,Bär\n".encode("cp1252"), True)
    assert encoding == "cp1252"
    assert "look at the letters: as cp1252 it reads 'Bär'" in note
    for language, other in (("japanese", "euc_jp"), ("korean", "euc_kr"), ("traditional", "big5")):
        with pytest.raises(InvalidInput, match=f"seems to be {other}.*Export it as UTF-8"):
            text_in_its_encoding(tmp_path, table(language).encode(other), True)
    encoding, text, note = text_in_its_encoding(tmp_path, table("german").encode() * 2 + b"x,\xff\n", True)
    assert encoding == "utf-8"
    assert "Hündin" in text
    assert "1 bytes of the sample are not UTF-8" in note
